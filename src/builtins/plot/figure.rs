//! What a script can ask a `Figure`, and how it keeps one under a name of its own.

use crate::bind::prelude::*;
use crate::record::folder::write;
use crate::report::Figure;
use std::path::Path;

/// Lists the getters.
pub fn register(registry: &mut Registry) {
    registry.add(
        Function::getter::<Figure>("svg", |call| Ok(call.receiver::<Figure>()?.svg().to_owned().into()))
            .about("The drawing as SVG text.")
            .returns("string: an SVG document")
            .example(
                "plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }])).svg.starts_with(\"<svg\")",
                "true",
            ),
    );
    registry.add(
        Function::getter::<Figure>("title", |call| Ok(call.receiver::<Figure>()?.title().to_owned().into()))
            .about("The figure's heading.")
            .returns("string: the heading")
            .example("plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }])).title", "y by x"),
    );
    registry.add(
        Function::getter::<Figure>("tikz", |call| Ok(call.receiver::<Figure>()?.tikz().to_owned().into()))
            .about("The drawing for LaTeX, as the text of a `tikzpicture`.")
            .returns("string: what a document with the package `tikz` takes")
            .example(
                "plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }])).tikz.contains(\"tikzpicture\")",
                "true",
            ),
    );
    registry.add(
        Function::method::<Figure>("save", save)
            .about("Writes the drawing into a file, by its ending: SVG, or TikZ for LaTeX.")
            .details(
                "A relative path starts at the run's folder, or at the project where there is no run: at the prompt start it with \
                 `w2s --run DIR`, or grant a folder with `--allow-write DIR`. The file appears whole or not at all; one of the same \
                 name is replaced. `report::figure` keeps both forms, with a caption, on the run's page and in its appendix.",
            )
            .param::<String>("path", "ends in `.svg` or `.tikz`; in the run's folder, or where writing was granted")
            .example("plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }])).save(\"curve.svg\")", "")
            .fails(
                "plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }])).save(\"curve.png\")",
                "its name must end in `.svg` or `.tikz`",
            )
            .fails(
                "plot::lines(frame::of([#{ x: 0, y: 0.5 }, #{ x: 1, y: 0.7 }])).save(\"/curve.svg\")",
                "writing `/curve.svg` is outside",
            ),
    );
}

fn save(call: &mut Call) -> Answer {
    let (figure, path): (Figure, String) = (call.receiver()?, call.arg(0)?);
    let ctx = call.ctx();
    if ctx.writes_nothing() {
        return Ok(Dynamic::UNIT);
    }
    let file = ctx.output(&path, &["svg", "tikz"])?;
    let is_svg = file.extension().is_some_and(|ending| ending == "svg");
    let text = if is_svg { figure.svg() } else { figure.tikz() };
    ctx.spend(&path, text.len())?;
    write(&file, text.as_bytes())?;
    let name = Path::new(&path).file_stem().map_or_else(|| path.clone(), |stem| stem.to_string_lossy().into_owned());
    ctx.note_written("figure", &name, vec![file]);
    Ok(Dynamic::UNIT)
}
