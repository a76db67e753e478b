//! `report::table`

use super::{NameOptions, caption, no_folder, places};
use crate::bind::prelude::*;
use crate::core::context::Event;
use crate::frames::Frame;
use crate::record::folder::write;
use crate::report::{TABLE_EXTENSIONS, table_files};

/// The record.
pub fn function() -> Function {
    Function::new("report", "table", run)
        .about("Keeps a frame in the run folder as Parquet, CSV, Markdown and LaTeX, and on the run's page.")
        .details(
            "In Markdown and LaTeX `x`, `x_low` and `x_high` become one column with its interval. The prompt has a run folder if \
             it was started with `w2s --run DIR`; without one, and in `w2s eval`, a warning says so and nothing is written.",
        )
        .param::<Frame>("frame", "what to keep")
        .options::<NameOptions>()
        .returns("array of string: the files' names; `()` where there is no run folder")
        .example("report::table(frame::of([#{ method: \"naive\", pgr: 0.43 }]), #{ name: \"results\" })", "")
        .example(
            "report::table(frame::of([#{ method: \"naive\", pgr: 0.43 }]), #{ caption: \"PGR of the naive student, one seed.\" })",
            "",
        )
        .fails("report::table(#{ pgr: 0.43 })", "`frame` of `report::table` must be a Frame")
}

fn run(call: &mut Call) -> Answer {
    let frame: Frame = call.arg(0)?;
    let options: NameOptions = call.options()?;
    let ctx = call.ctx();
    let names = |name: &str| -> Array {
        TABLE_EXTENSIONS.iter().map(|extension| format!("{name}.{extension}").into()).collect()
    };
    if ctx.writes_nothing() {
        return Ok(names(options.name.as_deref().unwrap_or("table")).into());
    }
    if ctx.settings.run_dir.is_none() {
        let name = options.name.unwrap_or_else(|| "table".to_owned());
        ctx.warn(no_folder(&format!("{name}.csv")));
        return Ok(Dynamic::UNIT);
    }
    let caption = caption(options.caption)?;
    let contents = table_files(&frame)?;
    let (name, paths) = places(ctx, options.name, "table", &TABLE_EXTENSIONS)?;
    for (path, content) in paths.iter().zip(&contents) {
        ctx.spend(&name, content.len())?;
        write(path, content)?;
    }
    let files = names(&name);
    ctx.tell(Event::Written { kind: "table".to_owned(), name, caption, files: paths });
    Ok(files.into())
}
