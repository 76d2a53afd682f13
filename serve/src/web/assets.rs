//! The style, the scripts and the icon, from the binary.

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

const STYLE: &str = include_str!("../../assets/style.css");
const PREDICT: &str = include_str!("../../assets/predict.js");
const CONSOLE: &str = include_str!("../../assets/console.js");
const ICON: &str = include_str!("../../assets/icon.svg");

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let (media_type, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "predict.js" => ("text/javascript; charset=utf-8", PREDICT),
        "console.js" => ("text/javascript; charset=utf-8", CONSOLE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "max-age=300"),
    ];
    (headers, text).into_response()
}

/// Browsers ask for it whatever the page links.
pub(super) async fn favicon() -> Response {
    serve(Path("icon.svg".to_owned())).await
}
