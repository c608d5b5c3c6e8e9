//! A TCP proxy that harms what passes through it.
//!
//! Real nodes behind it are honest; what reaches the client is not. The fault can be changed while connections are open.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What happens to the bytes that the server sends back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Nothing: bytes pass.
    None = 0,
    /// One bit is flipped in the middle of every large piece: heads of answers arrive, bodies are wrong.
    FlipBits = 1,
    /// Nothing passes any more, but connections stay open.
    Blackhole = 2,
    /// The connection ends in the middle of a body.
    Truncate = 3,
}

impl Fault {
    fn from_code(code: u8) -> Self {
        [Self::None, Self::FlipBits, Self::Blackhole, Self::Truncate]
            .into_iter()
            .find(|f| *f as u8 == code)
            .unwrap_or(Self::None)
    }
}

/// Pieces smaller than this are heads of answers, and pass unharmed.
const HEAD_BYTES_MAX: usize = 1024;
const BUFFER_BYTES: usize = 64 * 1024;

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    fault: Arc<AtomicU8>,
    task: JoinHandle<()>,
}

impl FaultyProxy {
    /// Starts a proxy on a free local port in front of `upstream`.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(upstream: SocketAddr, fault: Fault) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(AtomicU8::new(fault as u8));
        let fault = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection(client, upstream, Arc::clone(&shared)));
            }
        });
        Ok(Self { address, fault, task })
    }

    /// The base URL to use instead of the server's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes the fault, for open connections too.
    pub fn set_fault(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::Relaxed);
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(client: TcpStream, upstream: SocketAddr, fault: Arc<AtomicU8>) {
    let Ok(server) = TcpStream::connect(upstream).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::spawn(async move {
        // Ends with the connection; an error is an end too.
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut buffer = vec![0u8; BUFFER_BYTES];
    while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
        let piece = &mut buffer[..count];
        let large = count > HEAD_BYTES_MAX;
        match Fault::from_code(fault.load(Ordering::Relaxed)) {
            Fault::FlipBits if large => piece[count / 2] ^= 0x10,
            Fault::Blackhole => continue,
            Fault::Truncate if large => {
                let _ = to_client.write_all(&piece[..count / 2]).await;
                break;
            }
            _ => {}
        }
        if to_client.write_all(piece).await.is_err() {
            break;
        }
    }
    requests.abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_are_harmed_and_heads_are_not() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let upstream = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0u8; 1];
                stream.read_exact(&mut request).await.unwrap();
                let size = if request[0] == b'h' { 100 } else { 5000 };
                stream.write_all(&vec![7u8; size]).await.unwrap();
            }
        });
        let proxy = FaultyProxy::start(upstream, Fault::FlipBits).await.unwrap();
        let fetch = |what: &'static [u8]| async move {
            let mut stream = TcpStream::connect(proxy.address).await.unwrap();
            stream.write_all(what).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            all
        };
        assert_eq!(fetch(b"h").await, vec![7u8; 100]);
        let body = fetch(b"b").await;
        assert_eq!(body.len(), 5000);
        assert!(body.iter().any(|b| *b != 7));
    }
}
