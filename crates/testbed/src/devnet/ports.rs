//! Choosing ports.

use std::io;

use tokio::net::TcpListener;

use super::{DevnetError, loopback};

/// Binds the port that was asked for, or the preferred one, or any free one.
pub(super) async fn bind(asked: Option<u16>, preferred: u16, flag: &'static str) -> Result<TcpListener, DevnetError> {
    match asked {
        Some(port) => TcpListener::bind(loopback(port)).await.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => DevnetError::PortTaken { port, flag },
            _ => error.into(),
        }),
        None => match TcpListener::bind(loopback(preferred)).await {
            Ok(listener) => Ok(listener),
            Err(_) => Ok(TcpListener::bind(loopback(0)).await?),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_an_error_only_when_asked_for() {
        let taken = TcpListener::bind(loopback(0)).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = bind(Some(port), 0, "--gateway-port").await.unwrap_err();
        assert_eq!(error.code(), "DEVNET-PORT-TAKEN");
        assert!(error.to_string().contains("--gateway-port"));
        assert_ne!(bind(None, port, "").await.unwrap().local_addr().unwrap().port(), port);
    }
}
