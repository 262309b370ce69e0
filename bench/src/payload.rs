//! The document that is measured: a file, or the one the simulator makes for a fixed name.

use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use maple_expectation::upstream::sim::Sim;
use maple_expectation::upstream::sim::SimConfig;
use serde_json::Value;

/// A plain equipment document and where it came from.
pub(crate) struct Payload {
    pub(crate) origin: String,
    pub(crate) json: Vec<u8>,
}

/// Reads `file`, or asks a simulator.
pub(crate) fn load(file: Option<&Path>) -> io::Result<Payload> {
    if let Some(file) = file {
        let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        return Ok(Payload { origin: name, json: std::fs::read(file)? });
    }
    let sim = Sim::start(SimConfig::default())?;
    let get = |target: &str| {
        let mut stream = TcpStream::connect(sim.addr())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {target} HTTP/1.0\r\nx-nxopen-api-key: bench\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let body = head.ok_or_else(|| io::Error::other("no whole answer"))? + 4;
        Ok::<_, io::Error>(answer.split_off(body))
    };
    let id: Value = serde_json::from_slice(&get("/maplestory/v1/id?character_name=bench")?)?;
    let ocid = id["ocid"].as_str().ok_or_else(|| io::Error::other("no ocid"))?;
    let json = get(&format!("/maplestory/v1/character/item-equipment?ocid={ocid}"))?;
    Ok(Payload { origin: "simulator, character bench".to_owned(), json })
}
