//! One listening socket per shard on the same address; the kernel spreads connections among them.
//! Only binds: accepting is the runtime's.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;

use socket2::Domain;
use socket2::Protocol;
use socket2::Socket;
use socket2::Type;

/// Connections the kernel may hold for a shard that has not accepted them yet.
pub const BACKLOG: i32 = 4096;

/// Binds `listeners` sockets to `addr`. With port 0 the kernel chooses for the first and the rest follow it.
///
/// # Errors
/// Whatever the kernel says about the address.
pub fn bind_reuseport(addr: SocketAddr, listeners: u16) -> io::Result<Vec<TcpListener>> {
    let mut addr = addr;
    let mut bound = Vec::with_capacity(usize::from(listeners));
    for _ in 0..listeners {
        let listener = bind_one(addr)?;
        addr = listener.local_addr()?;
        bound.push(listener);
    }
    Ok(bound)
}

fn bind_one(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // The epoll driver would block its whole shard in accept otherwise.
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_is_chosen_once_for_all() {
        let listeners = bind_reuseport("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert_ne!(ports[0], 0);
        assert_eq!(ports, [ports[0]; 3]);
        let nothing_waits = listeners[0].accept().unwrap_err();
        assert_eq!(nothing_waits.kind(), io::ErrorKind::WouldBlock);
    }
}
