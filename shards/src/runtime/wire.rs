//! A connection to a server, driven by the shard that talks over it; dialled elsewhere and handed over. It has no place
//! in the table of connections and no deadlines: whoever uses it watches the time and cuts it.

#![deny(unsafe_code)]

use std::io;
use std::net::Shutdown;
use std::net::TcpStream as Dialled;

use monoio::buf::IoBufMut as _;
use monoio::io::AsyncReadRent as _;
use monoio::io::AsyncWriteRentExt as _;
use monoio::io::OwnedReadHalf;
use monoio::io::OwnedWriteHalf;
use monoio::io::Splitable as _;
use monoio::net::TcpStream;

use crate::lifecycle::DriverKind;

/// What arrives.
pub struct WireReader(OwnedReadHalf<TcpStream>);

/// What is sent.
pub struct WireWriter(OwnedWriteHalf<TcpStream>);

/// Ends the connection when it is dropped, whatever its two sides are waiting for.
pub struct Cutter(Dialled);

/// Takes a connection over. Only on a shard's thread, and with the driver of that shard.
///
/// # Errors
/// The operating system's.
pub fn adopt(driver: DriverKind, dialled: Dialled) -> io::Result<(WireReader, WireWriter, Cutter)> {
    // A ring gives up at once on a socket that says it never waits; epoll needs one that does.
    dialled.set_nonblocking(driver == DriverKind::Epoll)?;
    let cutter = Cutter(dialled.try_clone()?);
    let (reader, writer) = TcpStream::from_std(dialled)?.into_split();
    Ok((WireReader(reader), WireWriter(writer), cutter))
}

impl WireReader {
    /// Appends what has arrived, at most the spare capacity of `buf`, which must not be zero. `Ok(0)` is the end.
    pub async fn read(&mut self, buf: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        let filled = buf.len();
        let (read, slice) = self.0.read(buf.slice_mut(filled..)).await;
        (read, slice.into_inner())
    }
}

impl WireWriter {
    /// Sends all of `bytes`; hands the buffer back with its content unspecified.
    pub async fn write_all(&mut self, bytes: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let (written, bytes) = self.0.write_all(bytes).await;
        (written.map(drop), bytes)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        // Fails on a connection that has ended already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
