//! `responses`: the Responses API, its streams and what is kept of it.
//!
//! Here are the cases; [`streams`] looks at events, [`kept`] at what can be found again, [`answers`] at what a response
//! says.

mod answers;
mod kept;
mod order;
mod streams;

use interference_report::Level::{Must, Should};

use super::Section;
use crate::case::{Case, Company, Cost};
use crate::response_request::LEAST_LIMIT;
use crate::response_samples::{ENOUGH_TOKENS, STREAMS_COST};
use interference_catalogue::Clause;

const STREAMS: &str = "Streamed responses of several kinds: a short one, one of emoji, one that its limit cuts off, one that must call a function.";

pub(super) const SECTION: Section = Section {
    name: "responses",
    title: "Responses",
    cases: &[
        Case {
            slug: "responses.event-equals-type",
            level: Must,
            requirement: "Each event of a streamed response has its type in its data, and the same type as its name.",
            clauses: &[
                Clause::openai(
                    "ResponseCreatedEvent.type",
                    "The type of the event. Always `response.created`.",
                ),
                Clause::openai("POST /responses, the example of a stream", "event: response.created"),
                Clause::field(
                    "vllm agentic-api #168, billion-context #549",
                    "a gateway left the names out, and clients that listen for names had no event",
                ),
            ],
            trigger: STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(streams::event_equals_type(trial)),
        },
        Case {
            slug: "responses.sequence-rises",
            level: Must,
            requirement: "Each event of a streamed response has a sequence_number, an integer that rises from event to event.",
            clauses: &[
                Clause::openai(
                    "ResponseTextDeltaEvent.sequence_number",
                    "The sequence number for this event.",
                ),
                Clause::openai(
                    "GET /responses/{response_id}, starting_after",
                    "The sequence number of the event after which to start streaming.",
                ),
            ],
            trigger: STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(streams::sequence_rises(trial)),
        },
        Case {
            slug: "responses.order",
            level: Must,
            requirement: "A streamed response begins with response.created; an item is added before anything is told of it, and done after; so is each part.",
            clauses: &[
                Clause::openai("ResponseOutputItemAddedEvent", "Emitted when a new output item is added."),
                Clause::openai("ResponseOutputItemDoneEvent", "Emitted when an output item is marked done."),
                Clause::openai("ResponseTextDoneEvent", "Emitted when text content is finalized."),
                Clause::python(
                    "openai/lib/streaming/responses/_responses.py, ResponseStreamState",
                    "Expected to have received `response.created` before `{event.type}`",
                ),
                Clause::node("lib/responses/ResponseAccumulator.js", "missing content at index"),
            ],
            trigger: STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(streams::order(trial)),
        },
        Case {
            slug: "responses.deltas-join",
            level: Must,
            requirement: "The deltas of a text or of a call's arguments, joined, are what every later event tells as a whole.",
            clauses: &[
                Clause::openai("ResponseTextDeltaEvent", "Emitted when there is an additional text delta."),
                Clause::openai("ResponseTextDoneEvent.text", "The text content that is finalized."),
                Clause::openai(
                    "Response",
                    "required: [id, object, created_at, error, incomplete_details, instructions, model, tools, output",
                ),
            ],
            trigger: STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(streams::deltas_join(trial)),
        },
        Case {
            slug: "responses.indexes",
            level: Must,
            requirement: "item_id, output_index and content_index of every event name the item and the part that were added.",
            clauses: &[
                Clause::openai(
                    "ResponseTextDeltaEvent.output_index",
                    "The index of the output item that the text delta was added to.",
                ),
                Clause::openai(
                    "ResponseTextDeltaEvent.item_id",
                    "The ID of the output item that the text delta was added to.",
                ),
                Clause::openai(
                    "ResponseTextDeltaEvent.content_index",
                    "The index of the content part that the text delta was added to.",
                ),
                Clause::field(
                    "llama.cpp #20607",
                    "events came without output_index, and clients dropped them",
                ),
            ],
            trigger: STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(streams::indexes(trial)),
        },
        Case {
            slug: "responses.one-terminal",
            level: Must,
            requirement: "A streamed response ends with exactly one of response.completed, response.incomplete and response.failed.",
            clauses: &[
                Clause::openai("ResponseCompletedEvent", "Emitted when the model response is complete."),
                Clause::openai(
                    "ResponseIncompleteEvent",
                    "An event that is emitted when a response finishes as incomplete.",
                ),
                Clause::openai("ResponseFailedEvent", "An event that is emitted when a response fails."),
                Clause::python(
                    "openai/lib/streaming/responses/_responses.py, ResponseStream.get_final_response",
                    "Didn't receive a `response.completed` event.",
                ),
                Clause::field("ollama #17118", "a stream ended without one of them, at status 200"),
            ],
            trigger: STREAMS,
            company: Company::Others,
            cost: STREAMS_COST,
            judge: |trial| Box::pin(streams::one_terminal(trial)),
        },
        Case {
            slug: "responses.failure-event",
            level: Must,
            requirement: "A response that fails after its stream has begun says so by response.failed or by an event of type error, with a message.",
            clauses: &[
                Clause::openai("ResponseFailedEvent", "An event that is emitted when a response fails."),
                Clause::openai("ResponseErrorEvent", "Emitted when an error occurs."),
                Clause::field(
                    "vllm PR 40986",
                    "an error before the first token was swallowed, and the stream only ended",
                ),
            ],
            trigger: "Streamed requests that cannot be answered, which some servers find out only after the status: an unknown model, a broken image, a schema that refers to nothing; and every other stream of the section.",
            company: Company::Others,
            cost: Cost::new(STREAMS_COST.requests + 3, STREAMS_COST.tokens + 3 * LEAST_LIMIT),
            judge: |trial| Box::pin(streams::failure_event(trial)),
        },
        Case {
            slug: "responses.previous-id",
            level: Must,
            requirement: "previous_response_id brings the conversation back, or is refused; it is never passed over.",
            clauses: &[Clause::openai(
                "CreateResponse.previous_response_id",
                "Use this to create multi-turn conversations.",
            )],
            trigger: "A response that follows another, against the same input alone; and one that follows a response that never was.",
            company: Company::Others,
            cost: Cost::new(4, 4 * LEAST_LIMIT),
            judge: |trial| Box::pin(kept::previous_id(trial)),
        },
        Case {
            slug: "responses.retrieve",
            level: Should,
            requirement: "A response that is stored can be retrieved, as it was answered.",
            clauses: &[Clause::openai(
                "GET /responses/{response_id}",
                "Retrieves a model response with the given ID.",
            )],
            trigger: "A plain response with store, and a GET of it.",
            company: Company::Others,
            cost: Cost::new(2, LEAST_LIMIT),
            judge: |trial| Box::pin(kept::retrieve(trial)),
        },
        Case {
            slug: "responses.delete",
            level: Should,
            requirement: "A response that was deleted cannot be retrieved any more.",
            clauses: &[Clause::openai(
                "DELETE /responses/{response_id}",
                "Deletes a model response with the given ID.",
            )],
            trigger: "A plain response with store, a GET, a DELETE, and a GET again.",
            company: Company::Others,
            cost: Cost::new(4, LEAST_LIMIT),
            judge: |trial| Box::pin(kept::delete(trial)),
        },
        Case {
            slug: "responses.store-false",
            level: Must,
            requirement: "A response with store: false cannot be retrieved.",
            clauses: &[Clause::openai(
                "CreateResponse.store",
                "Whether to store the generated model response for later retrieval via API.",
            )],
            trigger: "A plain and a streamed response with store: false, one with store: true, and a GET of each.",
            company: Company::Others,
            cost: Cost::new(6, 3 * LEAST_LIMIT),
            judge: |trial| Box::pin(kept::store_false(trial)),
        },
        Case {
            slug: "responses.input-items",
            level: Should,
            requirement: "The input of a stored response can be listed, item by item.",
            clauses: &[
                Clause::openai(
                    "GET /responses/{response_id}/input_items",
                    "Returns a list of input items for a given response.",
                ),
                Clause::openai("ResponseItemList", "required: [object, data, has_more, first_id, last_id]"),
            ],
            trigger: "A plain response to a message, with store, and its input items.",
            company: Company::Others,
            cost: Cost::new(2, LEAST_LIMIT),
            judge: |trial| Box::pin(kept::input_items(trial)),
        },
        Case {
            slug: "responses.function-call-items",
            level: Must,
            requirement: "A call is an item of type function_call with call_id, name and arguments, and is taken back with its output.",
            clauses: &[
                Clause::openai("FunctionToolCall", "required: [type, call_id, name, arguments]"),
                Clause::openai(
                    "FunctionToolCall.arguments",
                    "A JSON string of the arguments to pass to the function.",
                ),
                Clause::openai(
                    "ToolChoiceOptions",
                    "`required` means the model must call one or more tools.",
                ),
                Clause::openai("FunctionCallOutputItemParam", "The output of a function tool call."),
            ],
            trigger: "A plain and a streamed response with tool_choice: required, and the call with its output as the next input.",
            company: Company::Others,
            cost: Cost::new(3, 3 * ENOUGH_TOKENS),
            judge: |trial| Box::pin(answers::function_call_items(trial)),
        },
        Case {
            slug: "responses.incomplete-reason",
            level: Must,
            requirement: "A response that max_output_tokens cuts off is incomplete, and says that this is the reason.",
            clauses: &[
                Clause::openai(
                    "Response.incomplete_details.reason",
                    "The reason why the response is incomplete.",
                ),
                Clause::openai(
                    "CreateResponse.max_output_tokens",
                    "An upper bound for the number of tokens that can be generated for a response",
                ),
                Clause::openai(
                    "ResponseIncompleteEvent",
                    "An event that is emitted when a response finishes as incomplete.",
                ),
            ],
            trigger: "Plain and streamed responses to a prompt for a long poem, of 16 and of 24 tokens.",
            company: Company::Others,
            cost: Cost::new(3, 2 * LEAST_LIMIT + answers::OTHER_LIMIT),
            judge: |trial| Box::pin(answers::incomplete_reason(trial)),
        },
    ],
};
