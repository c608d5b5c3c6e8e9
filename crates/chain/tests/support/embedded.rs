//! The embedded chain, in memory, in this process.

use floe_devchain::{ChainOptions, DevChain, Hardfork};
use tokio::{net::TcpListener, task::JoinHandle};

pub struct Embedded {
    chain: DevChain,
    server: JoinHandle<()>,
    pub port: u16,
}

impl Embedded {
    pub async fn start(hardfork: Hardfork) -> Self {
        let chain = DevChain::open(ChainOptions { hardfork, ..ChainOptions::default() }).expect("a chain in memory");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let serving = chain.clone();
        let server = tokio::spawn(async move {
            serving.serve(listener, std::future::pending()).await.expect("the chain serves");
        });
        Self { chain, server, port }
    }

    /// Replaces the latest blocks by empty ones.
    pub fn reorg(&self, depth: u64) {
        let empty = vec![Vec::new(); usize::try_from(depth).expect("a small depth")];
        self.chain.reorg(depth, &empty).expect("not beyond genesis");
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.server.abort();
    }
}
