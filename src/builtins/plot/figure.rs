//! What a script can ask a `Figure`.

use crate::bind::prelude::*;
use crate::report::Figure;

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
}
