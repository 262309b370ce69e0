//! One connection to the server that takes writes, found anew each time: asked of the sentinels if there are any, and
//! of the server itself, because sentinels may be late.

use std::io;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::Client;
use redis::ConnectionAddr;
use redis::ConnectionInfo;
use redis::ErrorKind;
use redis::IntoConnectionInfo as _;
use redis::RedisConnectionInfo;
use redis::RedisError;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use redis::aio::PubSub;
use redis::io::tcp::TcpSettings;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stores::redis::address::Address;
use crate::stores::redis::address::Master;
use crate::stores::redis::address::Node;

/// Longest answer to a greeting; that to ROLE names every replica.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A connection that works, and to whom.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    pub(super) node: Node,
    /// Grows with every connection of a client.
    pub(super) number: u64,
}

/// Connects to the master. Takes at most `limit` for each server it asks.
///
/// # Errors
/// The last server's; a timeout reads as one.
pub(super) async fn dial(
    address: &Address,
    limit: Duration,
) -> RedisResult<(Node, MultiplexedConnection)> {
    let (sentinels, name) = match &address.master {
        Master::Fixed(node) => return open(address, node.clone(), limit).await,
        Master::Named { sentinels, name } => (sentinels, name),
    };
    let mut last = RedisError::from((ErrorKind::EmptySentinelList, "no sentinel to ask"));
    for sentinel in sentinels {
        let found = async {
            let node = within(limit, master_by(sentinel, name)).await?;
            open(address, node, limit).await
        };
        match found.await {
            Ok(opened) => return Ok(opened),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether the server at the other end takes writes. Without sentinels too: a replica by mistake, or a master that was
/// made one, would refuse every second command for ever.
///
/// # Errors
/// It is not, or does not answer within `limit`.
pub(super) async fn check(
    mut connection: MultiplexedConnection,
    limit: Duration,
) -> RedisResult<()> {
    within(limit, async { is_master(&redis::cmd("ROLE").query_async(&mut connection).await?) })
        .await
}

/// What a server said to ROLE.
fn is_master(role: &redis::Value) -> RedisResult<()> {
    match role {
        redis::Value::Array(said) if matches!(said.first(), Some(redis::Value::BulkString(role)) if role == b"master") => {
            Ok(())
        }
        _ => Err((ErrorKind::Client, "the server is no master").into()),
    }
}

/// A connection of its own for messages.
///
/// # Errors
/// The connection's, or no answer within `limit`.
pub(super) async fn listen(address: &Address, node: &Node, limit: Duration) -> RedisResult<PubSub> {
    let client = Client::open(to(node)?.set_redis_settings(login(address)))?;
    within(limit, client.get_async_pubsub()).await
}

/// Another connection to a master, for somebody who speaks the protocol himself.
///
/// # Errors
/// The connection's, what the server said to the login, that it is no master, or no answer within `limit`.
pub(super) async fn dial_bare(
    address: &Address,
    node: &Node,
    limit: Duration,
) -> RedisResult<std::net::TcpStream> {
    within(limit, async {
        let mut stream = TcpStream::connect((node.host.as_str(), node.port)).await?;
        stream.set_nodelay(true)?;
        if !address.password.reveal().is_empty() {
            let mut login = redis::cmd("AUTH");
            if !address.user.is_empty() {
                login.arg(&address.user);
            }
            ask(&mut stream, login.arg(address.password.reveal())).await?;
        }
        if address.database != 0 {
            ask(&mut stream, redis::cmd("SELECT").arg(address.database)).await?;
        }
        is_master(&ask(&mut stream, &redis::cmd("ROLE")).await?)?;
        Ok(stream.into_std()?)
    })
    .await
}

/// Why a server that could be asked is not.
pub(super) fn left_alone() -> RedisError {
    (ErrorKind::Client, "the server is left alone for a while").into()
}

/// One command on a connection that nothing else is on.
async fn ask(stream: &mut TcpStream, command: &redis::Cmd) -> RedisResult<redis::Value> {
    stream.write_all(&command.get_packed_command()).await?;
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES_MAX {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
        // An error while it is not all there; what will never be whole ends with the time.
        if let Ok(answer) = redis::parse_redis_value(&answer) {
            return answer.extract_error();
        }
    }
    Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
}

/// Whether an error says that the connection, or the server as the one to talk to, is lost.
pub(super) fn lost(error: &RedisError) -> bool {
    use redis::ServerErrorKind as Server;
    let moved = matches!(
        error.kind(),
        ErrorKind::Server(Server::ReadOnly | Server::MasterDown | Server::BusyLoading)
    );
    moved || error.is_unrecoverable_error() || error.is_io_error()
}

async fn open(
    address: &Address,
    node: Node,
    limit: Duration,
) -> RedisResult<(Node, MultiplexedConnection)> {
    let client = Client::open(to(&node)?.set_redis_settings(login(address)))?;
    let connection = connect(&client, limit).await?;
    check(connection.clone(), limit).await?;
    Ok((node, connection))
}

async fn master_by(sentinel: &Node, name: &str) -> RedisResult<Node> {
    let client = Client::open(to(sentinel)?)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&unlimited()).await?;
    let mut ask = redis::cmd("SENTINEL");
    ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let found: Option<(String, u16)> = ask.query_async(&mut connection).await?;
    let none = || RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no such master"));
    found.map(|(host, port)| Node { host, port }).ok_or_else(none)
}

async fn connect(client: &Client, limit: Duration) -> RedisResult<MultiplexedConnection> {
    within(limit, client.get_multiplexed_async_connection_with_config(&unlimited())).await
}

/// Every wait is limited here and in `client`, not by the crate.
fn unlimited() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = |_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut)));
    timeout(limit, work).await.unwrap_or_else(late)
}

fn to(node: &Node) -> RedisResult<ConnectionInfo> {
    let info = ConnectionAddr::Tcp(node.host.clone(), node.port).into_connection_info()?;
    // Off by default: small commands would wait for the acknowledgement of those before.
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn login(address: &Address) -> RedisConnectionInfo {
    let login = RedisConnectionInfo::default().set_db(address.database.into());
    let login = login.set_skip_set_lib_name();
    let login = match address.user.as_str() {
        "" => login,
        user => login.set_username(user),
    };
    match address.password.reveal() {
        "" => login,
        password => login.set_password(password),
    }
}
