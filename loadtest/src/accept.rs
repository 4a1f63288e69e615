//! Accepting and answering until it is time to end. On the current thread, whose listener others may share.

use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::load::Work;

/// Serves until `ended` holds true; then connections finish what they are answering. In a `LocalSet`, whose thread counts
/// this as work.
pub(crate) async fn serve<A, F>(
    answer: A,
    listener: TcpListener,
    mut ended: watch::Receiver<bool>,
    work: Work,
) -> anyhow::Result<()>
where
    A: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ended.wait_for(|ended| *ended) => break,
        };
        // Out of descriptors, or a client that was gone before it was accepted: both pass.
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (answer, mut ended, work) = (answer.clone(), ended.clone(), work.clone());
        let connection = async move {
            let service = service_fn(|request| {
                let answer = answer(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            let io = TokioIo::new(stream);
            let mut connection = pin!(http1::Builder::new().serve_connection(io, service));
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = ended.wait_for(|ended| *ended) => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        };
        connections.spawn_local(async move { work.count(connection).await });
        while connections.try_join_next().is_some() {}
    }
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// How long answers may take once it is time to end.
const GRACE: Duration = Duration::from_secs(5);
