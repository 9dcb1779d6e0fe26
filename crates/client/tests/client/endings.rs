//! How answers end: soundly, or broken off.

use std::time::Duration;

use interference_client::{ClientError, Cut};

use crate::byte_server::{
    ByteServer, DONE, FINISH, Outcome, Step, chunked_stream, event_stream, outcome_of, outcome_of_bytes,
    outcome_of_steps, outcome_of_stream, request, sound_stream, text,
};

#[track_caller]
fn assert_broke_off(outcome: &Outcome, text: &str, expected: Cut) {
    let error = outcome.error_after(text);
    assert!(matches!(error, ClientError::BrokeOff { cut, .. } if *cut == expected), "{error:?}");
}

#[tokio::test]
async fn sound_ends_are_accepted() {
    let without_done = [&text("tree"), FINISH].concat();
    outcome_of_stream(&without_done).await.assert_whole("tree");
    outcome_of_stream(without_done + "data: [DO").await.assert_whole("tree");
    outcome_of_stream([&text("tree"), FINISH, DONE, DONE].concat()).await.assert_whole("tree");
    outcome_of_stream([&text("tree"), FINISH, DONE, &text("more")].concat()).await.assert_whole("tree");
    outcome_of_stream([&text("tree"), FINISH, DONE, "data: {nonsense\n\n"].concat())
        .await
        .assert_whole("tree");
}

#[tokio::test]
async fn done_without_a_finish_reason_is_the_servers_own_end() {
    let outcome = outcome_of_stream([&text("tree"), DONE].concat()).await;
    assert!(outcome.error.is_none() && outcome.finish_reason.is_none() && outcome.text == "tree");
}

#[tokio::test]
async fn nothing_is_read_after_done() {
    let stream = event_stream(sound_stream());
    outcome_of_steps(vec![Step::Send(stream), Step::Hold]).await.assert_whole("A tree 🌳");
}

#[tokio::test]
async fn a_stream_without_its_end_broke_off() {
    assert_broke_off(&outcome_of_stream(text("tree")).await, "tree", Cut::WithoutFinish);
    assert_broke_off(&outcome_of_stream(": ping\n\n").await, "", Cut::WithoutFinish);
    assert_broke_off(&outcome_of_stream(DONE).await, "", Cut::WithoutChunk);
    // A reason that says nothing is none.
    let blank = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"\"}]}\n\n";
    assert_broke_off(&outcome_of_stream(text("tree") + blank).await, "tree", Cut::WithoutFinish);
    let unterminated = text("tree") + FINISH.trim_end();
    assert_broke_off(&outcome_of_stream(unterminated).await, "tree", Cut::InsideEvent);
}

#[tokio::test]
async fn a_cut_connection_broke_off() {
    for connection in ["keep-alive", "close"] {
        let cut = chunked_stream(connection, &text("tree"));
        assert_broke_off(&outcome_of_bytes(cut).await, "tree", Cut::InsideBody);
        let cut_in_chunk = [chunked_stream(connection, &text("tree")), b"40\r\ndata: ".to_vec()].concat();
        assert_broke_off(&outcome_of_bytes(cut_in_chunk).await, "tree", Cut::InsideBody);
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\n";
    let cut_by_length = (head.to_owned() + &text("tree")).into_bytes();
    assert_broke_off(&outcome_of_bytes(cut_by_length).await, "tree", Cut::InsideBody);
}

#[tokio::test]
async fn a_reset_broke_off() {
    // The text must have been read before the reset: a reset discards what is still on its way.
    let mut server = ByteServer::start(vec![
        Step::Send(chunked_stream("close", &text("tree"))),
        Step::Wait(Duration::from_millis(300)),
        Step::Reset,
    ])
    .await;
    let outcome = outcome_of(&server.client(), &request()).await;
    assert_broke_off(&outcome, "tree", Cut::InsideBody);
    let message = outcome.error.unwrap().to_string();
    assert!(
        message.starts_with("The answer broke off: the connection ended inside the body (Connection reset")
    );
    assert_eq!(server.requests().len(), 1, "nothing is asked twice");
}

#[tokio::test]
async fn a_connection_without_an_answer_broke_off() {
    assert_broke_off(&outcome_of_bytes(Vec::new()).await, "", Cut::BeforeAnswer);
    assert_broke_off(&outcome_of_bytes(b"HTTP/1.1 200 OK\r\ncontent".to_vec()).await, "", Cut::BeforeAnswer);
    assert_broke_off(&outcome_of_steps(vec![Step::Reset]).await, "", Cut::BeforeAnswer);
}

#[tokio::test]
async fn a_stall_ends_at_the_clients_own_bound() {
    let idle = Duration::from_millis(200);
    let before_the_head = vec![Step::Hold];
    let inside_the_body = vec![Step::Send(chunked_stream("close", &text("tree"))), Step::Hold];
    for (steps, text) in [(before_the_head, ""), (inside_the_body, "tree")] {
        let server = ByteServer::start(steps).await;
        let outcome = outcome_of(&server.client_with_idle(idle), &request()).await;
        assert!(matches!(outcome.error_after(text), ClientError::IdleTimeout { after } if *after == idle));
    }
}

#[tokio::test]
async fn a_slow_stream_is_no_stall() {
    let mut steps = vec![Step::Send(event_stream(": ping\n\n"))];
    for piece in [&text("A "), ": ping\n\n", &text("tree"), FINISH, DONE] {
        steps.extend([Step::Wait(Duration::from_millis(300)), Step::Send(piece.as_bytes().to_vec())]);
    }
    let server = ByteServer::start(steps).await;
    outcome_of(&server.client_with_idle(Duration::from_millis(1200)), &request())
        .await
        .assert_whole("A tree");
}
