//! llmposter's fixtures.

use crate::imported;

fn from(text: &str) -> (String, Vec<String>) {
    imported("fixtures.yaml", text)
}

#[test]
fn conditions_carry() {
    let (script, told) = from(
        r#"
fixtures:
  - match:
      user_message: hello
      model: gpt-4
      headers: { X-Team: blue }
      system_prompt: brief
    response:
      content: "Hi there!"
  - match:
      user_message: { regex: "^wea(th|n)er" }
      model: { regex: "^gpt-.*mini$" }
      tool_schema: { regex: "^get_weather$" }
    response:
      tool_calls:
        - name: get_weather
          arguments: { location: Paris, days: [1, null] }
"#,
    );
    assert_eq!(
        script,
        r#"[[rule]]
name = "fixtures.yaml 1"
when = { header = { x-team = "*blue*" }, model = "*gpt-4*", system = "brief", text = "hello" }
answer = { pieces = { characters = 20 }, text = "Hi there!" }

[[rule]]
name = "fixtures.yaml 2"
when = { model = "gpt-*mini", regex = "^wea(th|n)er", tools = "get_weather" }
answer = { pieces = "whole", tool_calls = [{ arguments = '{"location":"Paris","days":[1,null]}', name = "get_weather" }] }
"#
    );
    assert_eq!(told, [""; 0]);
}
