//! hookgate through its front door: the real binary on a free port, real clients, real processors, a real disk. One module
//! per behaviour that a user would name.

#![allow(unreachable_pub, reason = "modules of one test binary")]
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test may stop; counts read from metrics are whole")]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "requests are written to be read, not to be fast"
)]

mod api;

mod client;

mod encrypted;

mod gateway;

mod ledger;

mod processor;

mod signing;

mod admits_credentials;

mod agrees_with_published_tests;

mod answers_each_source_in_its_way;

mod calls_handlers_of_the_embedding_program;

mod commands;

mod delivers_in_batches;

mod delivers_real_payloads;

mod denies_private_addresses;

mod dies_at_any_moment;

mod finds_types_where_providers_put_them;

mod follows_events;

mod gives_up_privileges;

mod guards_its_admin_address;

mod is_not_confused;

mod isolates_a_slow_route;

mod keeps_its_limits;

mod keeps_rules_in_batches;

mod keeps_secrets;

mod keeps_what_it_acknowledged;

mod knows_published_addresses;

mod limits_a_forgotten_routes_backlog;

mod limits_who_may_send;

mod looks_into_the_journal;

mod parks_what_fails;

mod plays_handshakes;

mod plays_providers_with_keys;

mod polls_in_each_apis_way;

mod polls_what_has_no_webhook;

mod polls_with_tokens;

mod quarantines_what_it_refuses;

mod reads_compressed_bodies;

mod refuses_changed_requests;

mod refuses_forgeries;

mod reads_answers_to_batches;

mod replays_events;

mod retries_and_buries;

mod rotates_secrets;

mod routes_on_what_is_inside;

mod serves_many_tenants;

mod shakes_hands;

mod shares_the_journal;

mod shows_what_it_does;

mod speaks_http2;

mod speaks_tls;

mod stops_in_order;

mod spends_few_instructions;

mod spends_few_system_calls;

mod survives_bad_requests;

mod survives_disconnects;

mod survives_http2_floods;

mod survives_slow_readers;

mod tells_polls_what_to_do;

mod tells_the_story_of_an_event;

mod takes_batches_apart;
mod takes_bursts_of_connections;
mod takes_turns;

mod tells_the_truth_about_disks;

mod understands_formats;
