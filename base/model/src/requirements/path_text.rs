//! Paths in the file: text, or base64 where they are no UTF-8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{FirstStartUnit, LeftOut, LeftOutKind};
use crate::ImagePath;

/// A path in a list: a string, or an object with the key `path_base64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct PathText(pub ImagePath);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Encoded(Encoded),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    path_base64: String,
}

/// The form of [`LeftOut`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    kind: LeftOutKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_by: Option<FirstStartUnit>,
}

/// Why a text is no path of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds what is no absolute path of an image, or not one path")]
pub(super) struct NoPath;

/// The path of a text; none where a build would have written it otherwise.
fn of_text(text: &str) -> Result<ImagePath, NoPath> {
    ImagePath::new(text).ok().filter(|path| path.as_bytes() == text.as_bytes()).ok_or(NoPath)
}

fn of_base64(text: &str) -> Result<ImagePath, NoPath> {
    let bytes = STANDARD.decode(text).map_err(|_| NoPath)?;
    let path = ImagePath::new(&bytes).ok().filter(|path| path.as_bytes() == bytes);
    path.filter(|_| std::str::from_utf8(&bytes).is_err()).ok_or(NoPath)
}

/// The text, or the base64 where it is none.
fn written(path: &ImagePath) -> Result<String, String> {
    let bytes = path.as_bytes();
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| STANDARD.encode(bytes))
}

impl TryFrom<Form> for PathText {
    type Error = NoPath;

    fn try_from(form: Form) -> Result<Self, NoPath> {
        match form {
            Form::Text(text) => of_text(&text).map(Self),
            Form::Encoded(Encoded { path_base64 }) => of_base64(&path_base64).map(Self),
        }
    }
}

impl From<PathText> for Form {
    fn from(PathText(path): PathText) -> Self {
        match written(&path) {
            Ok(text) => Self::Text(text),
            Err(path_base64) => Self::Encoded(Encoded { path_base64 }),
        }
    }
}

impl TryFrom<Line> for LeftOut {
    type Error = NoPath;

    fn try_from(line: Line) -> Result<Self, NoPath> {
        let Line { path, path_base64, kind, made_by } = line;
        let path = match (path, path_base64) {
            (Some(text), None) => of_text(&text)?,
            (None, Some(text)) => of_base64(&text)?,
            (Some(_), Some(_)) | (None, None) => return Err(NoPath),
        };
        Ok(Self { path, kind, made_by })
    }
}

impl From<LeftOut> for Line {
    fn from(LeftOut { path, kind, made_by }: LeftOut) -> Self {
        let (path, path_base64) = match written(&path) {
            Ok(text) => (Some(text), None),
            Err(base64) => (None, Some(base64)),
        };
        Self { path, path_base64, kind, made_by }
    }
}
