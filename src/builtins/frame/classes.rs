//! The class names of a frame: read, stated, brought into another order.

use crate::bind::prelude::*;
use crate::frames::{Frame, read_by_index};

/// Lists the functions.
pub fn register(registry: &mut Registry) {
    registry.add(classes());
    registry.add(with_classes());
    registry.add(in_classes());
}

fn classes() -> Function {
    Function::getter::<Frame>("classes", |call| {
        let frame: Frame = call.receiver()?;
        let names = |names: &[String]| Dynamic::from(names.iter().cloned().map(Dynamic::from).collect::<Array>());
        Ok(frame.class_names().map_or(Dynamic::UNIT, names))
    })
    .about("The names of the classes that `p0`, `p1`, … and the indices in `label` and `prediction` stand for.")
    .details(
        "Truth, labels and predictions have them from their data and model; verbs keep them while a column of classes is \
         left, Parquet files hold them, CSV and JSON files do not. Two frames meet by name: where the order differs it is \
         brought in line, other names are refused. A frame without names is read by index.",
    )
    .returns("array of string or (): the names in order of their index")
    .example("frame::of(#{ id: [\"a\"], label: [1] }).with_classes([\"no\", \"yes\"]).head(1).classes", "[\"no\", \"yes\"]")
    .example("frame::of(#{ id: [\"a\"], label: [1] }).classes", "")
    .example(
        "let rows = data::of([#{ text: \"x\", label: \"no\" }, #{ text: \"y\", label: \"yes\" }], #{ test_share: 0.0 });\n\
         rows.truth(\"example\").classes",
        "[\"no\", \"yes\"]",
    )
}

fn with_classes() -> Function {
    Function::method::<Frame>("with_classes", |call| {
        Ok(Dynamic::from(call.receiver::<Frame>()?.with_classes(&call.arg::<Vec<String>>(0)?)?))
    })
    .about("The same frame, with names for its classes: the first for `p0` and index 0, and so on.")
    .details("Says what the indices mean, or what other names they should have. No value changes.")
    .param::<Vec<String>>("names", "one for each class, such as `data.classes`")
    .returns("Frame: the same columns")
    .example("frame::of(#{ id: [\"a\"], label: [1] }).with_classes([\"no\", \"yes\"]).classes", "[\"no\", \"yes\"]")
    .fails(
        "frame::of(#{ id: [\"a\"], p0: [0.5], p1: [0.5] }).with_classes([\"no\", \"maybe\", \"yes\"])",
        "3 class names were given, the frame has probabilities of 2 classes",
    )
    .fails("frame::of(#{ id: [\"a\"] }).with_classes([\"no\", \"yes\"])", "has no column of classes")
}

fn in_classes() -> Function {
    Function::method::<Frame>("in_classes", |call| {
        let names: Vec<String> = call.arg(0)?;
        Ok(Dynamic::from(call.receiver::<Frame>()?.in_classes(&names, ("the frame", "`names`"))?))
    })
    .about("The classes in another order: probabilities change places, indices change with them.")
    .details("Two frames that meet are brought in line without it. A frame without names stays as it is.")
    .param::<Vec<String>>("names", "the same names in the order that is wanted, such as `data.classes`")
    .returns("Frame: the same columns")
    .example(
        "let labels = frame::of(#{ id: [\"a\"], p0: [0.2], p1: [0.8], label: [1] }).with_classes([\"no\", \"yes\"]);\n\
         labels.in_classes([\"yes\", \"no\"]).row(0)",
        "#{id: \"a\", label: 0, p0: 0.8, p1: 0.2}",
    )
    .fails(
        "frame::of(#{ id: [\"a\"], label: [1] }).with_classes([\"no\", \"yes\"]).in_classes([\"neg\", \"pos\"])",
        "the classes of the frame are `no`, `yes`, those of `names` are `neg`, `pos`",
    )
}

/// Warns of sides without class names that meet one with names: they are read by index.
pub fn warn_of_indices(call: &Call, sides: &[(&str, &Frame)]) {
    let Some(names) = sides.iter().find_map(|(_, frame)| frame.class_names()) else { return };
    for note in sides.iter().filter_map(|(side, frame)| read_by_index(side, frame, names)) {
        call.ctx().warn(note);
    }
}
