//! A blob much larger than what may be held of it. Only bytes and requests are counted, no time.

use image_sync_shared::failure::FailureClass;
use image_sync_shared::image::manifest::Descriptor;
use image_sync_shared::ports::transfer::registries::Arrival;
use image_sync_testkit::FakeRegistry;
use image_sync_testkit::fake_registry::{At, Fault, Gate, Rule, Synthetic};

use super::support::{RouterBuilder, copy, methods, repository, router, source, target};

const MIB: u64 = 1024 * 1024;
const SIZE: u64 = 200 * MIB;

fn descriptor(content: &Synthetic) -> Descriptor {
    let json = serde_json::json!({
        "mediaType": "application/octet-stream", "digest": content.digest(), "size": SIZE,
    });
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn a_large_blob_is_sent_once_and_whole() {
    let from = FakeRegistry::start().await.unwrap();
    let to = FakeRegistry::start().await.unwrap();
    to.behave(|behaviour| behaviour.discards_blobs = true);
    let content = Synthetic::new("large", SIZE);
    let blob = descriptor(&content);
    from.put_synthetic_blob("from", &blob.digest, &content);

    let source = source(repository(from.host(), "from"));
    let target = target(repository(to.host(), "to"));
    let arrival = copy(&router(), &source, &target, &blob).await;
    assert_eq!(arrival, Ok(Arrival::Copied { bytes: SIZE }));
    assert!(to.has_blob("to", &blob.digest));
    assert_eq!(methods(&from), ["GET"]);
    assert_eq!(methods(&to), ["POST", "PUT"]);
    assert_eq!(to.requests()[1].body_length, SIZE);
}

/// A target that stands still must make the source stand still: what is under way then is in the buffers of sockets, and in
/// a few pieces between them.
#[tokio::test]
async fn memory_does_not_grow_with_the_size_of_a_layer() {
    let from = FakeRegistry::start().await.unwrap();
    let to = FakeRegistry::start().await.unwrap();
    let content = Synthetic::new("large", SIZE);
    let blob = descriptor(&content);
    from.put_synthetic_blob("from", &blob.digest, &content);
    let (stopped, read_on) = (Gate::new(), Gate::new());
    let put = Rule::new("PUT", "*");
    to.stage(put, Fault::stall(At::RequestBody(MIB), &stopped));
    // Were the bytes read ahead, the source would come to this place.
    let get = Rule::new("GET", "*");
    from.stage(get, Fault::stall(At::Body(SIZE / 2), &read_on));

    let source = source(repository(from.host(), "from"));
    let target = target(repository(to.host(), "to"));
    let router = RouterBuilder::new().impatient().router();
    let failed = copy(&router, &source, &target, &blob).await;
    let failure = failed.unwrap_err();
    assert_eq!(failure.class, FailureClass::Timeout, "{failure}");
    assert_eq!(stopped.arrivals(), 1);
    assert_eq!(read_on.arrivals(), 0, "the source was read ahead");
    stopped.release();
    router.close().await;
}
