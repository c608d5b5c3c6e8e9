//! Who lies is named in the log. Alone in its file: the log is the process's.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    io,
    sync::{Arc, Mutex},
};

use floe_client::{ReadOptions, StoreOptions};
use support::{Behaviour, TestNetwork, bytes};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn liars_are_named_and_honest_nodes_are_not() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let network = TestNetwork::ten().await;
    let id = network.stored(&bytes(3000, 1)).await;
    assert_eq!(lines.take(), [""; 0], "nothing to warn of");

    // All but the liar's slivers are too few: so it is asked for sure.
    network.behave(0..6, Behaviour::NoPrimaries);
    network.behave([6], Behaviour::FlippedBit);
    let _ = network.client().read(&id, ReadOptions::default()).await;
    let warnings = lines.take();
    assert!(!warnings.is_empty());
    for line in &warnings {
        assert!(line.contains("WARN") && line.contains("node-6") && line.contains("http://127.0.0.1:"), "{line}");
        assert!(line.contains("wrong sliver"), "{line}");
    }

    network.behave(0..10, Behaviour::Honest);
    network.behave([2], Behaviour::BadSignature);
    // Without the bad one there are just enough: so its confirmation is looked at for sure.
    network.behave([7, 8], Behaviour::Refusing);
    network.behave([9], Behaviour::Slow(std::time::Duration::from_millis(300)));
    let _ = network.client().store("more", StoreOptions::epochs(1)).await;
    let warnings = lines.take();
    let wrong: Vec<_> = warnings.iter().filter(|line| line.contains("wrong confirmation")).collect();
    assert_eq!(wrong.len(), 1, "{warnings:?}");
    assert!(wrong[0].contains("node-2") && wrong[0].contains("bad signature"), "{}", wrong[0]);
}
