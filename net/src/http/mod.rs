//! The HTTP API.
use std::{future::Future, io, sync::Arc};
/// Options.
#[derive(Default)]
pub struct HttpOptions {
    /// dev
    pub dev: bool,
    /// x
    pub x: bool,
}
/// Router.
pub fn router(_g: Arc<crate::Gateway>, _o: HttpOptions) -> axum::Router {
    axum::Router::new()
}
/// Serve.
/// # Errors
/// io
pub async fn serve(
    l: tokio::net::TcpListener,
    r: axum::Router,
    s: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(l, r).with_graceful_shutdown(s).await
}
