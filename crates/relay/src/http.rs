//! The routes.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use tower_http::cors::{Any, CorsLayer};

use crate::{CertificateAnswer, CertificateRequest, IntentAnswer, Relay, RelayError, RelayTerms};

/// How long browsers keep the answer to a preflight request.
const CORS_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn router(relay: Relay) -> Router {
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any).max_age(CORS_MAX_AGE);
    Router::new()
        .route("/v1/relay", get(terms))
        .route("/v1/intents", post(intent))
        .route("/v1/certificates", post(certificate))
        .route("/healthz", get(async || "OK"))
        .route("/readyz", get(ready))
        // Bodies are bounded where they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(cors)
        .with_state(relay)
}

async fn terms(State(relay): State<Relay>) -> Result<Json<RelayTerms>, RelayError> {
    relay.terms().await.map(Json)
}

async fn intent(State(relay): State<Relay>, body: Body) -> Result<Json<IntentAnswer>, RelayError> {
    let signed = read(&relay, body).await?;
    relay.submit(signed).await.map(Json)
}

async fn certificate(State(relay): State<Relay>, body: Body) -> Result<Json<CertificateAnswer>, RelayError> {
    let request: CertificateRequest = read(&relay, body).await?;
    relay.certify(request).await.map(Json)
}

async fn ready(State(relay): State<Relay>) -> Result<&'static str, RelayError> {
    relay.ready().await.map(|()| "OK")
}

/// A body within the limits of size and time.
async fn read<T: DeserializeOwned>(relay: &Relay, body: Body) -> Result<T, RelayError> {
    let config = relay.config();
    let (max, limit) = (config.body_bytes_max, config.body_timeout);
    let bytes = match tokio::time::timeout(limit, to_bytes(body, max)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if is_too_long(&error) => return Err(RelayError::TooLarge { max }),
        Ok(Err(error)) => return Err(RelayError::Malformed(error.to_string())),
        Err(_) => return Err(RelayError::TooSlow { secs: limit.as_secs() }),
    };
    serde_json::from_slice(&bytes).map_err(|error| RelayError::Malformed(error.to_string()))
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.to_string().contains("length limit"))
}
