//! Pages for people and probes.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};

use crate::Gateway;

/// A description of the routes.
pub(crate) async fn api() -> Html<&'static str> {
    Html(include_str!("api.html"))
}

/// The gateway runs.
pub(crate) async fn ok() -> &'static str {
    "OK"
}

/// The gateway can serve: the chain answers.
pub(crate) async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.client.network().await {
        Ok(_) => "OK".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
        }
    }
}
