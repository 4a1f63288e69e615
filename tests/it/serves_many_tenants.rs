//! One source for many tenants, each with a secret of its own; and a source of which events are expected.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::api::{Api, page};
use crate::gateway::{Gateway, wait_until};
use crate::processor::Processor;

const BODY: &[u8] = br#"{"type":"paid","id":"evt_1"}"#;

/// A source with two tenants.
const SHOP: &str = r#"
    [[source]]
    name = "shop"
    path = "/hooks/{tenant}"
    hmac = { header = "X-Signature" }
    tenants = { acme = { file = "acme" }, globex = { file = "globex" } }
    event_type = { path = "tenant", append = "/type" }
    delivery_id = { json = "/id" }
"#;

fn signature(secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(BODY);
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[test]
fn the_path_chooses_the_secret_the_route_and_the_window_of_ids() {
    let processor = Processor::start();
    let config = format!(
        r#"
        {SHOP}
        [[route]]
        name = "acme"
        from = {{ source = "shop", types = ["acme.*"] }}
        signed_type = true
        to = {{ http = "{}" }}
        [[route]]
        name = "globex"
        from = {{ source = "shop", types = ["globex.*"] }}
        to = {{ http = "{}" }}
        "#,
        processor.url("/"),
        processor.url("/"),
    );
    let gateway = Gateway::start_prepared(&config, |dir| {
        std::fs::write(dir.join("acme"), "acmes").unwrap();
        std::fs::write(dir.join("globex"), "globexs").unwrap();
    });
    let post = |tenant: &str, secret: &str| {
        gateway.post(&format!("/hooks/{tenant}"), &[("X-Signature", &signature(secret))], BODY).status
    };
    assert_eq!(post("acme", "acmes"), 202);
    assert_eq!(post("acme", "globexs"), 401, "another tenant's secret");
    assert_eq!(post("initech", "acmes"), 404);
    assert_eq!(post("globex", "globexs"), 202, "the same id at another tenant is another event");
    assert_eq!(post("globex", "globexs"), 202, "a repetition");
    let received = processor.wait_for(2);
    let mut ids: Vec<_> = received.iter().map(|delivery| delivery.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["shop:acme%2Eevt_1", "shop:globex%2Eevt_1"]);
    assert_eq!(gateway.metric("hookgate_duplicates_total", &["source=\"shop\""]), 1.0);
}

/// A poll asks for what one tenant's webhooks have missed: an id that another tenant had is another event.
#[test]
fn a_poll_fills_the_gaps_of_one_tenant() {
    let api = Api::start(|_| page("", r#"[{"id":"evt_1","type":"paid"},{"id":"evt_2","type":"paid"}]"#));
    let processor = Processor::start();
    let config = format!(
        r#"
        {SHOP}
        [[poll]]
        name = "gaps"
        fills = "shop"
        tenant = "globex"
        url = "{}"
        every = "1h"
        items = ""
        event_type = {{ constant = "globex", append = "/type" }}
        delivery_id = {{ json = "/id" }}
        [[route]]
        name = "all"
        from = {{ source = "shop", types = ["*.paid"] }}
        to = {{ http = "{}" }}
        "#,
        api.url("/"),
        processor.url("/"),
    );
    let gateway = Gateway::start_prepared(&config, |dir| {
        std::fs::write(dir.join("acme"), "acmes").unwrap();
        std::fs::write(dir.join("globex"), "globexs").unwrap();
    });
    let post = |tenant: &str| {
        gateway.post(&format!("/hooks/{tenant}"), &[("X-Signature", &signature(&format!("{tenant}s")))], BODY).status
    };
    processor.wait_for(2);
    assert_eq!((post("globex"), post("acme")), (202, 202));
    let received = processor.wait_for(3);
    let mut ids: Vec<_> = received.iter().map(|delivery| delivery.header("webhook-id").unwrap().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["shop:acme%2Eevt_1", "shop:globex%2Eevt_1", "shop:globex%2Eevt_2"]);
    assert_eq!(gateway.metric("hookgate_duplicates_total", &["source=\"shop\""]), 1.0);
}

#[test]
fn a_silent_source_is_reported_until_it_is_heard_again() {
    let gateway = Gateway::start(
        r#"
        [[source]]
        name = "pulse"
        auth = "none"
        ack = "memory"
        expect_every = "1s"
        "#,
    );
    let silent = || gateway.metric("hookgate_source_silent", &["source=\"pulse\""]);
    wait_until("the source is silent", || silent() == 1.0);
    assert!(gateway.admin_get("/readyz").text().contains("source pulse has accepted nothing for"));
    assert_eq!(gateway.admin_get("/readyz").status, 200, "another gateway would hear nothing either");
    gateway.log().wait_for("the source has gone silent");
    wait_until("the source is heard", || {
        gateway.post("/hooks/pulse", &[], b"{}");
        silent() == 0.0
    });
}
