//! Templates, embeddings, and answers that are like others.

use http::StatusCode;
use interference_backend::{Backend, Refusal};

use crate::exchange::{backend, chat, chunks, request, said, saying, whole};

#[tokio::test]
async fn a_template_makes_the_text() {
    let backend = backend(
        "[[rule]]\nwhen.regex = \"(?i)in (?<city>\\\\w+)\"\n\
         answer.template = \"{{ captures.city }}, {{ captures[1] }}: {{ request.seed }} {{ turn }} {{ model }} {{ headers['x-team'] }}\"\n",
    );
    let body = saying("sun IN Oslo today", r#""seed":7"#);
    let reply = chat(&backend, &body, &[("x-team", "blue")]).await.unwrap();
    assert!(whole(reply).contains(r#""content":"Oslo, Oslo: 7 1 m blue""#));
}

#[tokio::test]
async fn a_template_is_cut_and_surrounded_like_a_text() {
    let backend = backend(
        "[[rule]]\nanswer = { template = \"{{ text }} b\", reasoning = \"r\", refusal = \"f\", system_fingerprint = \"fp\", logprobs = [-1] }\n",
    );
    let reply = chat(&backend, &saying("a", r#""stream":true,"logprobs":true"#), &[]).await.unwrap();
    let said: Vec<String> = chunks(reply).await;
    assert_eq!(said.len(), 7, "{said:?}");
    assert!(said[1].contains(r#"{"reasoning_content":"r"},"logprobs":null"#), "{said:?}");
    assert!(
        said[2].contains(r#""content":"a"},"logprobs":{"content":[{"token":"a","logprob":-1.0"#),
        "{said:?}"
    );
    assert!(
        said[3].contains(r#""content":" b"},"logprobs":{"content":[{"token":" b","logprob":0.0"#),
        "{said:?}"
    );
    assert!(said[4].contains(r#"{"refusal":"f"}"#), "{said:?}");
}

#[tokio::test]
async fn a_template_that_fails_is_this_request_s_failure() {
    let script = "[[rule]]\nname = \"endless\"\nwhen.text = \"on\"\n\
        answer.template = \"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}\"\n\
        [[rule]]\nname = \"typo\"\nwhen.text = \"typo\"\nanswer.template = \"\"\"\nHello\n{{ request.sead }}\"\"\"\n\
        [[rule]]\nanswer = { text = \"well\" }\n";
    let backend = backend(script);
    let refusal = chat(&backend, &saying("on and on", ""), &[]).await.unwrap_err();
    let message =
        "Rule `endless` of test.toml: its template does not come to an end within 200000 units of work.";
    assert_eq!(refusal, Refusal::Internal { message: message.to_owned() });
    let message = "Rule `typo` of test.toml: its template fails in its line 2: undefined value: `request.sead` is undefined.";
    assert_eq!(said(&backend, "typo", &[]).await, message);
    assert_eq!(said(&backend, "other", &[]).await, "well");
}

#[tokio::test]
async fn an_answer_takes_the_members_of_the_one_it_is_like() {
    let script = |answer: &str| {
        format!(
            "[answers.base]\npieces = \"whole\"\nsystem_fingerprint = \"fp\"\nusage = {{ prompt_tokens = 5 }}\n\
             [answers.sunny]\nlike = \"base\"\ntext = \"It is sunny.\"\n[[rule]]\nanswer = {answer}\n"
        )
    };
    for (answer, pieces) in [
        ("\"sunny\"", r#"["It is sunny."]"#),
        ("{ like = \"sunny\" }", r#"["It is sunny."]"#),
        ("{ like = \"sunny\", pieces = \"words\" }", r#"["It", " is", " sunny."]"#),
        ("{ like = \"sunny\", template = \"{{ text }} it is\" }", r#"["a it is"]"#),
        ("{ like = \"sunny\", refusal = \"No.\" }", r#"["It is sunny."]"#),
        ("{ like = \"base\", text = [\"a\", \"b\"] }", r#"["a", "b"]"#),
    ] {
        let wishes = r#""stream":true,"stream_options":{"include_usage":true}"#;
        let reply = chat(&backend(&script(answer)), &saying("a", wishes), &[]).await.unwrap();
        let chunks = chunks(reply).await;
        let contents = chunks.iter().filter_map(|chunk| {
            let text = chunk.strip_prefix(r#"{"index":0,"delta":{"content":""#)?;
            text.split_once("\"}").map(|(text, _)| text)
        });
        assert_eq!(format!("{:?}", contents.collect::<Vec<_>>()), pieces, "{answer}");
        assert!(chunks.iter().any(|chunk| chunk.contains(r#""prompt_tokens":5,"#)), "{answer}");
    }
}

async fn embeddings(script: &str, body: &str) -> String {
    match backend(script).answer(request("/embeddings", body, &[])).await {
        Ok(reply) => whole(reply),
        Err(refusal) => refusal.to_string(),
    }
}

#[tokio::test]
async fn embeddings_are_answered() {
    let constant = "[[rule]]\nanswer.embedding = [0.5, -1, 2]\n";
    assert_eq!(
        embeddings(constant, r#"{"model":"e","input":["a tree","b"]}"#).await,
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1.0,2.0]},{"object":"embedding","index":1,"embedding":[0.5,-1.0,2.0]}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#
    );
    assert_eq!(
        embeddings(
            constant,
            r#"{"model":"e","input":[[1,2],[3]],"encoding_format":"base64","dimensions":3}"#
        )
        .await,
        r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AAAAPwAAgL8AAABA"},{"object":"embedding","index":1,"embedding":"AAAAPwAAgL8AAABA"}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#
    );
    assert_eq!(
        embeddings(constant, r#"{"model":"e","input":"a","dimensions":4}"#).await,
        "'dimensions' is 4; the scripted vector has 3."
    );
    let drawn = "[[rule]]\nanswer.embedding = { dimensions = 8 }\n";
    let body = embeddings(drawn, r#"{"model":"e","input":["a","b","a"]}"#).await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(json["data"][0]["embedding"], json["data"][2]["embedding"]);
    assert_ne!(json["data"][0]["embedding"], json["data"][1]["embedding"]);
    assert_eq!(json["data"][0]["embedding"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn rules_keep_to_their_endpoint() {
    let script =
        "[[rule]]\nwhen.text = \"a\"\nanswer.embedding = [1]\n[[rule]]\nanswer = { text = \"said\" }\n";
    assert_eq!(said(&backend(script), "a", &[]).await, "said");
    assert!(embeddings(script, r#"{"model":"e","input":"a"}"#).await.contains(r#""embedding":[1.0]"#));
    assert_eq!(
        embeddings(script, r#"{"model":"e","input":"b"}"#).await,
        "No rule of test.toml matches. The nearest is rule `rule 1` (line 1): `text = \"a\"` is not in the input, which \
         is \"b\"."
    );
    let error = "[[rule]]\nanswer.error = { status = 503, message = \"Later.\", retry_after = 3 }\n";
    let reply =
        backend(error).answer(request("/embeddings", r#"{"model":"e","input":"a"}"#, &[])).await.unwrap();
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.headers["retry-after"], "3");
    assert_eq!(
        whole(reply),
        r#"{"error":{"message":"Later.","type":"server_error","param":null,"code":null}}"#
    );
}
