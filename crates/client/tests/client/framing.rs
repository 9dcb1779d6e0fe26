//! Legal streams, however they are laid out and cut.

use interference_client::{ClientError, Usage};

use crate::byte_server::{
    DONE, FINISH, Step, event_stream, outcome_of_bytes, outcome_of_steps, outcome_of_stream, sound_stream,
    text,
};

const TEXT: &str = "A tree 🌳";

#[tokio::test]
async fn every_layout_of_a_stream_reads_alike() {
    let sound = sound_stream();
    let layouts = [
        sound.clone(),
        sound.replace('\n', "\r\n"),
        sound.replace('\n', "\r"),
        sound.replacen('\n', "\r\n", 1).replacen("}\n\n", "}\r\n\n", 1),
        sound.replace("data: ", "data:"),
        sound.replace("data: ", ": keep-alive\n\ndata: "),
        sound.replace("data: ", "retry: 1000\n\ndata: "),
        sound.replace("data: ", "event: ping\n\ndata: "),
        sound.replace("data: ", "data:\n\ndata: \n\ndata: "),
        sound.replace("data: {", "data: {\ndata: "),
        sound.replace("data: ", "id: 1\nnonsense: 2\nmore nonsense\ndata: "),
        sound.replace("[DONE]", "[DONE] "),
        format!("\u{FEFF}{sound}"),
        format!("\n\r\n  \n{sound}"),
        format!(": hello\n\n{sound}"),
    ];
    for layout in layouts {
        outcome_of_stream(&layout).await.assert_whole(TEXT);
    }
}

#[tokio::test]
async fn pieces_may_be_cut_anywhere() {
    let stream = event_stream(format!("\u{FEFF}{}", sound_stream().replace('\n', "\r\n")));
    outcome_of_steps(vec![Step::Drip(stream.clone())]).await.assert_whole(TEXT);
    let chunks: String = sound_stream().chars().map(|c| format!("{:x}\r\n{c}\r\n", c.len_utf8())).collect();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    outcome_of_bytes(format!("{head}{chunks}0\r\n\r\n").into_bytes()).await.assert_whole(TEXT);
}

#[tokio::test]
async fn long_lines_and_many_events_are_read() {
    let long = "x".repeat(2 * 1024 * 1024);
    outcome_of_stream([&text(&long), FINISH, DONE].concat()).await.assert_whole(&long);
    let many = text("x").repeat(10_000);
    outcome_of_stream([&many, FINISH, DONE].concat()).await.assert_whole(&"x".repeat(10_000));
}

#[tokio::test]
async fn a_line_without_end_is_a_bounded_error() {
    let endless = format!("{}data: {}", text("A "), "x".repeat(9 * 1024 * 1024));
    let outcome = outcome_of_stream(endless).await;
    assert!(matches!(outcome.error_after("A "), ClientError::Stream(_)));
}

#[tokio::test]
async fn chunks_may_have_other_shapes() {
    let stream = [
        "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n",
        "data: {\"object\":\"chat.completion.chunk\"}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":null,\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null,\"extra\":{}}}],\"error\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n",
        &text(TEXT),
        FINISH,
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n",
        DONE,
    ];
    let outcome = outcome_of_stream(stream.concat()).await;
    outcome.assert_whole(TEXT);
    assert_eq!(outcome.usage, Some(Usage { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }));
}
