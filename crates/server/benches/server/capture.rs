//! Asks a server once for each kind of answer, and keeps what it says.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::AnyError;
use crate::answer_reader::{AnswerReader, Part};
use crate::arguments::CaptureTask;
use crate::captured::{Captured, CapturedAnswer};
use crate::connection::{Connection, Question, request};

/// All three answers.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// Of one answer's body.
const MOST_BYTES: usize = 16 << 20;

/// Asks, and writes the file.
pub(crate) async fn run(task: CaptureTask) -> Result<(), AnyError> {
    let asking = async {
        Ok::<_, AnyError>(Captured {
            plain: ask(task.address, Question::Plain).await?,
            stream: ask(task.address, Question::Stream).await?,
            paced: ask(task.address, Question::PacedStream).await?,
        })
    };
    let captured = timeout(LONGEST_WAIT, asking).await.map_err(|_| "the answers did not come in time")??;
    captured.write(&task.to)
}

async fn ask(address: SocketAddr, question: Question) -> Result<CapturedAnswer, AnyError> {
    let mut connection = Connection::open(address).await?;
    connection.send(&request(question, address, &[])).await?;
    let mut reader = AnswerReader::new();
    let (mut frames, mut frame, mut total) = (Vec::new(), Vec::new(), 0);
    while !reader.is_complete() {
        let (_time, read) = connection.read().await?;
        reader.push(read, |part| {
            match part {
                Part::Bytes(bytes) => {
                    total += bytes.len();
                    frame.extend_from_slice(bytes);
                }
                Part::FrameEnd => frames.push(String::from_utf8(std::mem::take(&mut frame))?),
            }
            if total > MOST_BYTES {
                return Err(format!("an answer is longer than {MOST_BYTES} bytes").into());
            }
            Ok(())
        })?;
    }
    if !frame.is_empty() {
        frames.push(String::from_utf8(frame)?);
    }
    Ok(CapturedAnswer::new(reader.fields, frames))
}
