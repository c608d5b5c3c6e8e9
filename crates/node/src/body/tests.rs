use super::*;
use http::{HeaderValue, header};

fn limits(bytes_max: u64) -> BodyLimits {
    BodyLimits { bytes_max, idle: Duration::from_millis(50), bytes_per_second_min: 1, refused_bytes_max: 1 << 20 }
}

fn budget() -> ByteBudget {
    ByteBudget::new(1 << 20, Duration::from_millis(10))
}

fn chunked(chunks: &[&'static [u8]]) -> Body {
    let frames: Vec<Result<Bytes, std::io::Error>> = chunks.iter().map(|c| Ok(Bytes::from_static(c))).collect();
    Body::from_stream(futures::stream::iter(frames))
}

#[tokio::test]
async fn a_body_of_many_chunks_is_joined() {
    let (bytes, _) = read_whole(chunked(&[b"ab", b"", b"c", b"def"]), limits(6), &budget()).await.expect("fits");
    assert_eq!(&bytes[..], b"abcdef");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_declared_or_not() {
    let declared = read_whole(Body::from("1234567"), limits(6), &budget()).await.expect_err("too long");
    assert_eq!(declared, ApiError::too_large(6));
    let chunks = read_whole(chunked(&[b"1234", b"567"]), limits(6), &budget()).await.expect_err("too long");
    assert_eq!(chunks, ApiError::too_large(6));
}

#[tokio::test]
async fn a_silent_body_times_out() {
    let silent = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let error = read_whole(silent, limits(6), &budget()).await.expect_err("silent");
    assert!(matches!(error, ApiError::Text(http::StatusCode::REQUEST_TIMEOUT, _)), "{error:?}");
}

#[test]
fn content_types() {
    let mut headers = HeaderMap::new();
    assert!(require_octet_stream(&headers).is_ok());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("Application/Octet-Stream; charset=x"));
    assert!(require_octet_stream(&headers).is_ok());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    assert!(require_octet_stream(&headers).is_err());
}

#[tokio::test]
async fn an_answer_gives_its_memory_back_once_it_was_taken() {
    let budget = budget();
    let permit = budget.reserve(1 << 20).await.expect("free");
    let mut body = BudgetedBody::new(Bytes::from(vec![7; SLICE_BYTES + 1]), permit);
    assert_eq!(body.size_hint().exact(), Some(SLICE_BYTES as u64 + 1));
    assert_eq!(body.frame().await.expect("first").expect("ok").into_data().expect("data").len(), SLICE_BYTES);
    assert!(budget.reserve(1).await.is_err());
    assert_eq!(body.frame().await.expect("last").expect("ok").into_data().expect("data").len(), 1);
    assert!(body.frame().await.is_none());
    drop(body);
    assert!(budget.reserve(1).await.is_ok());
}
