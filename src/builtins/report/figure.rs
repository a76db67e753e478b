//! `report::figure`

use super::{NameOptions, caption, no_folder, places};
use crate::bind::prelude::*;
use crate::core::context::Event;
use crate::record::folder::write;
use crate::report::Figure;

/// The record.
pub fn function() -> Function {
    Function::new("report", "figure", run)
        .about("Keeps a figure in the run folder as SVG and as TikZ for LaTeX, and on the run's page.")
        .details(
            "The prompt has a run folder if it was started with `w2s --run DIR`; without one, and in `w2s eval`, a warning says so and \
             nothing is written. `figure.save(\"NAME.svg\")` writes one form alone. `NAME.tikz` is drawn for a column of a paper: its text is set in the paper's fonts, and \
             heading and note, which belong into the caption, are comments at its top.",
        )
        .param::<Figure>("figure", "what `plot` drew")
        .options::<NameOptions>()
        .returns("string: the file's name; `()` where there is no run folder")
        .example(
            "let curve = frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }]);\n\
             report::figure(plot::lines(curve), #{ name: \"learning-curve\" })",
            "",
        )
        .example(
            "let curve = frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }]);\n\
             report::figure(plot::lines(curve), #{ name: \"seen\", caption: \"Accuracy on held-out rows, one seed.\" })",
            "",
        )
        .fails("report::figure(1)", "`figure` of `report::figure` must be a Figure, got an integer `1`")
}

fn run(call: &mut Call) -> Answer {
    let figure: Figure = call.arg(0)?;
    let options: NameOptions = call.options()?;
    let ctx = call.ctx();
    if ctx.writes_nothing() {
        return Ok(format!("{}.svg", options.name.as_deref().unwrap_or(figure.kind())).into());
    }
    if ctx.settings.run_dir.is_none() {
        let name = options.name.unwrap_or_else(|| figure.kind().to_owned());
        ctx.warn(no_folder(&format!("{name}.svg")));
        return Ok(Dynamic::UNIT);
    }
    let caption = caption(options.caption)?;
    let (name, paths) = places(ctx, options.name, figure.kind(), &["svg", "tikz"])?;
    for (path, text) in paths.iter().zip([figure.svg(), figure.tikz()]) {
        ctx.spend(&name, text.len())?;
        write(path, text.as_bytes())?;
    }
    let file = format!("{name}.svg");
    ctx.tell(Event::Written { kind: "figure".to_owned(), name, caption, files: paths });
    Ok(file.into())
}
