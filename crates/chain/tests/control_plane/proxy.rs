//! A TCP proxy that can be closed and opened again on the same port.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub(super) struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    server: Option<(JoinHandle<()>, watch::Sender<()>)>,
}

impl Proxy {
    /// Open, in front of a port of this machine.
    pub(super) async fn open(target_url: &str) -> Self {
        let target: SocketAddr = target_url.rsplit_once('/').unwrap().1.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Self { address: listener.local_addr().unwrap(), target, server: None };
        proxy.serve(listener);
        proxy
    }

    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// Cuts all connections and refuses new ones.
    pub(super) async fn close(&mut self) {
        if let Some((server, ends)) = self.server.take() {
            drop(ends);
            server.await.unwrap();
        }
    }

    pub(super) fn reopen(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.serve(socket.listen(64).unwrap());
    }

    fn serve(&mut self, listener: TcpListener) {
        let (ends, mut ended) = watch::channel(());
        let (target, listener) = (self.target, Arc::new(listener));
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    _ = ended.changed() => break,
                    Ok((mut client, _)) = listener.accept() => {
                        connections.spawn(async move {
                            if let Ok(mut server) = TcpStream::connect(target).await {
                                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                            }
                        });
                    }
                }
            }
            connections.shutdown().await;
        });
        self.server = Some((server, ends));
    }
}
