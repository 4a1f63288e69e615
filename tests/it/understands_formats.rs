//! Forms, XML and CloudEvents: type and id from where each format has them, and the body as it came.

use crate::gateway::Gateway;
use crate::processor::{Processor, Received};

const TWILIO: &[u8] = include_bytes!("../fixtures/constructed/twilio.sms.form");
const SALESFORCE: &[u8] = include_bytes!("../fixtures/constructed/salesforce.outbound-message.xml");
const DOCUSIGN: &[u8] = include_bytes!("../fixtures/constructed/docusign.connect.json");
const STRUCTURED: &[u8] = include_bytes!("../fixtures/constructed/cloudevents.structured.json");
const BATCH: &[u8] = include_bytes!("../fixtures/constructed/cloudevents.batch.json");

/// A gateway with these sources, of all of which everything goes to the processor.
fn start(sources: &str) -> (Gateway, Processor) {
    let processor = Processor::start();
    let route = format!(
        "[[route]]\nname = \"all\"\nfrom = {{ source = \"*\" }}\nto = {{ http = \"{}\" }}\n",
        processor.url("/")
    );
    (Gateway::start(&format!("{sources}\n{route}")), processor)
}

fn source(keys: &str) -> String {
    format!("[[source]]\nname = \"s\"\nauth = \"none\"\nack = \"memory\"\n{keys}\n")
}

fn type_and_id(received: &Received) -> (Option<&str>, Option<&str>) {
    (received.header("hookgate-type"), received.header("webhook-id"))
}

#[test]
fn a_form_has_its_type_in_a_field() {
    let fields = "event_type = { form = \"SmsStatus\" }\ndelivery_id = { form = \"MessageSid\" }";
    let (gateway, processor) = start(&source(fields));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(gateway.post("/hooks/s", &form, TWILIO).status, 202);
    let received = processor.wait_for(1);
    let id = "s:SMxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    assert_eq!(type_and_id(&received[0]), (Some("received"), Some(id)));
    assert_eq!(received[0].body, TWILIO);

    let many: String = (0..100_000).map(|number| format!("f%{number}=x&")).collect();
    let answer = gateway.post("/hooks/s", &form, format!("{many}SmsStatus=a%2Bb").as_bytes());
    assert_eq!(answer.status, 202);
    gateway.post("/hooks/s", &[("content-type", "application/json")], br#"{"x":"&SmsStatus=forged"}"#);
    let received = processor.wait_for(3);
    let types: Vec<_> = received.iter().map(|delivery| delivery.header("hookgate-type")).collect();
    assert_eq!(types.iter().filter(|found| **found == Some("a+b")).count(), 1);
    assert_eq!(types.iter().filter(|found| found.is_none()).count(), 1, "JSON is no form: {types:?}");
}

#[test]
fn an_outbound_message_of_salesforce_is_typed_and_acknowledged_in_soap() {
    let (gateway, processor) = start(&source(
        "event_type = { xml = \"/Envelope/Body/notifications/Notification/sObject/@type\" }\nreply = \"salesforce\"",
    ));
    let xml = [("content-type", "text/xml; charset=UTF-8"), ("soapaction", "\"\"")];
    let answer = gateway.post("/hooks/s", &xml, SALESFORCE);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml; charset=utf-8")));
    let text = answer.text();
    let response = "<notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\"><Ack>true</Ack>";
    assert!(text.contains("soapenv:Envelope") && text.contains(response), "{text}");
    let received = processor.wait_for(1);
    assert_eq!(received[0].header("hookgate-type"), Some("sf:Account"));
    assert_eq!(received[0].header("content-type"), Some("text/xml; charset=UTF-8"));
    assert_eq!(received[0].body, SALESFORCE);
}

#[test]
fn docusign_says_its_type_in_json_or_in_xml() {
    let (gateway, processor) = start(&source(
        "event_type = [{ json = \"/event\" }, { xml = \"/DocuSignEnvelopeInformation/EnvelopeStatus/Status\" }]",
    ));
    assert_eq!(gateway.post("/hooks/s", &[("content-type", "application/json")], DOCUSIGN).status, 202);
    assert_eq!(processor.wait_for(1)[0].header("hookgate-type"), Some("envelope-completed"));
    let xml =
        br#"<?xml version="1.0" encoding="utf-8"?><DocuSignEnvelopeInformation xmlns="http://www.docusign.net/API/3.0">
        <EnvelopeStatus><RecipientStatuses><RecipientStatus><Status>Sent</Status></RecipientStatus></RecipientStatuses>
        <Status>Completed</Status></EnvelopeStatus></DocuSignEnvelopeInformation>"#;
    assert_eq!(gateway.post("/hooks/s", &[("content-type", "text/xml")], xml).status, 202);
    assert_eq!(processor.wait_for(2)[1].header("hookgate-type"), Some("Completed"));
}

#[test]
fn hostile_xml_has_no_type_and_harms_nobody() {
    let (gateway, processor) = start(&source("event_type = { xml = \"/a/b\" }"));
    let laughs: String =
        (1..10).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let laughs = format!("<!DOCTYPE a [<!ENTITY l0 \"ha\">{laughs}]><a><b>&l9;</b></a>");
    let outside = "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a><b>&e;</b></a>";
    let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
    for body in [laughs.as_str(), outside, &deep, "<a><b>x</a>", "{\"a\":{\"b\":\"x\"}}"] {
        assert_eq!(gateway.post("/hooks/s", &[("content-type", "application/xml")], body.as_bytes()).status, 202);
    }
    let received = processor.wait_for(5);
    assert!(received.iter().all(|delivery| delivery.header("hookgate-type").is_none()));
    gateway.post("/hooks/s", &[], b"<a><b>x</b></a>");
    assert_eq!(processor.wait_for(6)[5].header("hookgate-type"), Some("x"));
}

#[test]
fn cloudevents_come_in_three_modes() {
    let (gateway, processor) = start(&source("format = \"cloudevents\""));
    let structured = [("content-type", "application/cloudevents+json; charset=utf-8")];
    assert_eq!(gateway.post("/hooks/s", &structured, STRUCTURED).status, 202);
    let received = processor.wait_for(1);
    assert_eq!(type_and_id(&received[0]), (Some("com.example.someevent"), Some("s:/mycontext%2EC234-1234-1234")));
    assert_eq!(received[0].body, STRUCTURED);

    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-type", "com.example.binary"),
        ("ce-source", "/mycontext"),
        ("ce-id", "A%20B"),
        ("ce-myextension", "kept"),
    ];
    assert_eq!(gateway.post("/hooks/s", &binary, br#"{"type":"not this","id":"nor this"}"#).status, 202);
    let received = processor.wait_for(2);
    assert_eq!(type_and_id(&received[1]).0, Some("com.example.binary"));
    for (name, value) in binary {
        assert_eq!(received[1].header(name), Some(value));
    }

    let batch = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(gateway.post("/hooks/s", &batch, BATCH).status, 202);
    let mut received = processor.wait_for(4).split_off(2);
    received.sort_by_key(|delivery| delivery.header("hookgate-type").map(ToOwned::to_owned));
    assert_eq!(type_and_id(&received[0]), (Some("com.example.a"), Some("s:/s%2E1")));
    assert_eq!(type_and_id(&received[1]), (Some("com.example.b"), Some("s:/s%2E2")));
    assert!(received.iter().all(|it| it.header("content-type") == Some("application/cloudevents+json")));
    let event: serde_json::Value = serde_json::from_slice(&received[1].body).unwrap();
    assert_eq!(event["data_base64"], "AAEC");

    let answer = gateway.post("/hooks/s", &batch, STRUCTURED);
    assert_eq!((answer.status, answer.reason().as_str()), (400, "not_a_batch"));
}
