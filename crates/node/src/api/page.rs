//! `GET /v1/api`: the routes, for a person with a browser.

use axum::response::Html;

const PAGE: &str = include_str!("page.html");

pub(super) async fn get() -> Html<&'static str> {
    Html(PAGE)
}
