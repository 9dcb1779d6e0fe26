//! `chat`: what a plain chat takes, and what its answer looks like.
//!
//! The first case is the root of all: a server that gives no usable answer to the plainest request fails there, and
//! leaves the other cases without anything to look at.

mod answers;
mod messages;
mod parameters;
mod stop_array;

use interference_report::Level::{Must, Should};

use super::Section;
use crate::case::{Case, Company, Cost};
use crate::samples::{PLAIN_COST, POEM_TOKENS};
use interference_catalogue::Clause;

const PLAIN: &str =
    "Plain chats of several kinds: ordinary, of one token, of emoji, with a tool call, with n = 2.";

pub(super) const SECTION: Section = Section {
    name: "chat",
    title: "Chat completions",
    cases: &[
        Case {
            slug: "chat.schema",
            level: Must,
            requirement: "A plain chat is answered with a chat completion: JSON of the described form, as application/json.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionResponse",
                    "Represents a chat completion response returned by model, based on the provided input.",
                ),
                Clause::openai(
                    "CreateChatCompletionResponse",
                    "required: [choices, created, id, model, object]",
                ),
                Clause::node(
                    "internal/parse.js, defaultParseResponse",
                    "mediaType?.includes('application/json')",
                ),
                Clause::rfc9112(
                    "section 8",
                    "A message that uses a valid Content-Length is incomplete if the size of the message body received (in octets) is less than the value given by Content-Length.",
                ),
                Clause::rfc9112(
                    "section 8",
                    "A message body that uses the chunked transfer coding is incomplete if the zero-sized chunk that terminates the encoding has not been received.",
                ),
            ],
            trigger: PLAIN,
            company: Company::Others,
            cost: PLAIN_COST,
            judge: |trial| Box::pin(answers::schema(trial)),
        },
        Case {
            slug: "chat.content-type-of-content",
            level: Must,
            requirement: "The content of each message is a string or null.",
            clauses: &[
                Clause::openai("ChatCompletionResponseMessage", "required: [role, content, refusal]"),
                Clause::openai(
                    "ChatCompletionResponseMessage.content",
                    "anyOf: [{type: string, description: The contents of the message.}, {type: null}]",
                ),
            ],
            trigger: PLAIN,
            company: Company::Others,
            cost: PLAIN_COST,
            judge: |trial| Box::pin(answers::content_type_of_content(trial)),
        },
        Case {
            slug: "chat.role-assistant",
            level: Must,
            requirement: "The role of each message is assistant.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionResponseMessage.role",
                    "The role of the author of this message.",
                ),
                Clause::openai("ChatCompletionResponseMessage.role", "enum: [assistant]"),
            ],
            trigger: PLAIN,
            company: Company::Others,
            cost: PLAIN_COST,
            judge: |trial| Box::pin(answers::role_assistant(trial)),
        },
        Case {
            slug: "chat.indexes",
            level: Must,
            requirement: "The indexes of the choices are 0 to n - 1, each once.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionResponse.choices.index",
                    "The index of the choice in the list of choices.",
                ),
                Clause::openai(
                    "CreateChatCompletionRequest.n",
                    "How many chat completion choices to generate for each input message.",
                ),
            ],
            trigger: "Plain chats of one choice, and one with n = 2.",
            company: Company::Others,
            cost: PLAIN_COST,
            judge: |trial| Box::pin(answers::indexes(trial)),
        },
        Case {
            slug: "chat.multipart-text",
            level: Must,
            requirement: "The content of a message may be several parts of text, all of which reach the model.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionRequestUserMessage.content",
                    "An array of content parts with a defined type.",
                ),
                Clause::openai("ChatCompletionRequestMessageContentPartText.text", "The text content."),
            ],
            trigger: "A chat of two parts, and the same text in one; where they count differently, controls that tell why.",
            company: Company::Others,
            cost: Cost::new(5, 5 * messages::TOKENS),
            judge: |trial| Box::pin(messages::multipart_text(trial)),
        },
        Case {
            slug: "chat.developer-role",
            level: Should,
            requirement: "A message of the role developer is taken, and reaches the model.",
            clauses: &[Clause::openai(
                "ChatCompletionRequestDeveloperMessage",
                "With o1 models and newer, `developer` messages\nreplace the previous `system` messages.",
            )],
            trigger: "Chats with a long message of a developer before that of the user, and with a short one; where both count alike, a long and a short one of a user.",
            company: Company::Others,
            cost: Cost::new(4, 4 * messages::TOKENS),
            judge: |trial| Box::pin(messages::developer_role(trial)),
        },
        Case {
            slug: "chat.max-completion-tokens",
            level: Must,
            requirement: "An answer has no more tokens than max_completion_tokens allows.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.max_completion_tokens",
                    "An upper bound for the number of tokens that can be generated for a completion, including visible output tokens and [reasoning tokens]",
                ),
                Clause::field("ollama #7125", "max_completion_tokens was silently ignored"),
            ],
            trigger: "A chat for a poem with max_completion_tokens = 8, and no other limit.",
            company: Company::Others,
            cost: Cost::new(1, parameters::FEW_TOKENS),
            judge: |trial| Box::pin(parameters::max_completion_tokens(trial)),
        },
        Case {
            slug: "chat.unknown-field",
            level: Must,
            requirement: "A member that the API does not name is honoured, ignored or refused with a 4xx; nothing fails over it.",
            clauses: &[Clause::rfc9110(
                "section 15.6",
                "The 5xx (Server Error) class of status code indicates that the server is aware that it has erred or is incapable of performing the requested method.",
            )],
            trigger: "Chats with an unknown member of the request, and of a message.",
            company: Company::Others,
            cost: Cost::new(4, 4 * messages::TOKENS),
            judge: |trial| Box::pin(parameters::unknown_field(trial)),
        },
        Case {
            slug: "chat.temperature-range",
            level: Must,
            requirement: "A temperature outside of 0 to 2 is refused with status 400.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.temperature",
                "What sampling temperature to use, between 0 and 2.",
            )],
            trigger: "Chats with a temperature of 3, and of -1.",
            company: Company::Others,
            cost: Cost::new(4, 4 * messages::TOKENS),
            judge: |trial| Box::pin(parameters::temperature_range(trial)),
        },
        Case {
            slug: "chat.n-zero",
            level: Must,
            requirement: "n = 0 is refused with status 400.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.n",
                    "How many chat completion choices to generate for each input message.",
                ),
                Clause::openai("CreateChatCompletionRequest.n", "minimum: 1"),
            ],
            trigger: "A chat with n = 0, plain and streamed.",
            company: Company::Others,
            cost: Cost::new(2, 2 * messages::TOKENS),
            judge: |trial| Box::pin(parameters::n_zero(trial)),
        },
        Case {
            slug: "chat.empty-messages",
            level: Must,
            requirement: "A chat without messages is refused with status 400.",
            clauses: &[
                Clause::openai(
                    "CreateChatCompletionRequest.messages",
                    "A list of messages comprising the conversation so far.",
                ),
                Clause::openai("CreateChatCompletionRequest.messages", "minItems: 1"),
            ],
            trigger: "A chat whose messages are [].",
            company: Company::Others,
            cost: Cost::new(2, 2 * messages::TOKENS),
            judge: |trial| Box::pin(parameters::empty_messages(trial)),
        },
        Case {
            slug: "chat.null-content-tool-turn",
            level: Must,
            requirement: "A turn of the assistant that calls a tool may have null as its content, or none.",
            clauses: &[
                Clause::openai(
                    "ChatCompletionRequestAssistantMessage.content",
                    "The contents of the assistant message. Required unless `tool_calls` or `function_call` is specified.",
                ),
                Clause::field("pydantic-ai #5206", "null as an assistant's content was rejected"),
            ],
            trigger: "A conversation with a call and its result, the call's content null, and absent; where that is refused, the same with text.",
            company: Company::Others,
            cost: Cost::new(3, 3 * messages::TOKENS),
            judge: |trial| Box::pin(messages::null_content_tool_turn(trial)),
        },
        Case {
            slug: "chat.stop-array",
            level: Must,
            requirement: "Each of up to 4 stop strings ends the answer, and is not in it.",
            clauses: &[
                Clause::openai(
                    "StopConfiguration",
                    "Up to 4 sequences where the API will stop generating further tokens.",
                ),
                Clause::openai("StopConfiguration", "returned text will not contain the stop sequence."),
            ],
            trigger: "The ordinary chat again, whole and streamed, with 4 stop strings: the last is a word of the answer seen before, the others are in no answer.",
            company: Company::Others,
            cost: Cost::new(
                2 * stop_array::REQUESTS_OF_A_FORM,
                2 * stop_array::REQUESTS_OF_A_FORM * POEM_TOKENS,
            ),
            judge: |trial| Box::pin(stop_array::stop_array(trial)),
        },
        Case {
            slug: "chat.seed-repeats",
            level: Should,
            requirement: "The same request with the same seed is answered with the same text.",
            clauses: &[Clause::openai(
                "CreateChatCompletionRequest.seed",
                "repeated requests with the same `seed` and parameters should return the same result.",
            )],
            trigger: "The same chat three times, with a seed and a temperature of 1.",
            // Beside others, some servers compute the same in another order; what OpenAI promises is no more than an effort.
            company: Company::Alone,
            cost: Cost::new(3, 3 * parameters::SOME_TOKENS),
            judge: |trial| Box::pin(parameters::seed_repeats(trial)),
        },
        Case {
            slug: "chat.system-fingerprint",
            level: Should,
            requirement: "Answers bring a system_fingerprint, which stays the same while nothing changes.",
            clauses: &[Clause::openai(
                "CreateChatCompletionResponse.system_fingerprint",
                "This fingerprint represents the backend configuration that the model runs with.",
            )],
            trigger: PLAIN,
            company: Company::Others,
            cost: PLAIN_COST,
            judge: |trial| Box::pin(answers::system_fingerprint(trial)),
        },
    ],
};
