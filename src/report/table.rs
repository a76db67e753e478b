//! A frame in the four forms that a run keeps: Parquet for programs, CSV for everything, Markdown and LaTeX for papers.

use super::ReportError;
use crate::frames::Frame;
use polars::prelude::PolarsError;
use polars_io::SerWriter;
use polars_io::csv::write::CsvWriter;
use polars_io::parquet::write::ParquetWriter;

/// The file endings of [`table_files`], in its order.
pub const TABLE_EXTENSIONS: [&str; 4] = ["parquet", "csv", "md", "tex"];

/// The content of each file. Markdown and LaTeX show `x`, `x_low` and `x_high` as one column with its interval.
pub fn table_files(frame: &Frame) -> Result<[Vec<u8>; 4], ReportError> {
    let failed = |error: PolarsError| ReportError::Table { reason: error.to_string() };
    let (mut parquet, mut csv) = (Vec::new(), Vec::new());
    ParquetWriter::new(&mut parquet).finish(&mut frame.table().clone()).map_err(failed)?;
    CsvWriter::new(&mut csv).finish(&mut frame.table().clone()).map_err(failed)?;
    let text = |made: Result<String, crate::frames::FrameError>| {
        made.map(String::into_bytes).map_err(|error| ReportError::Table { reason: error.to_string() })
    };
    Ok([parquet, csv, text(frame.to_markdown(true))?, text(frame.to_latex(true))?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{SerReader, df};

    #[test]
    fn parquet_reads_back_and_csv_has_every_row() {
        let frame = Frame::new(df!("method" => ["a, b", "c"], "pgr" => [Some(0.5), None]).expect("frame"));
        let [parquet, csv, markdown, latex] = table_files(&frame).expect("written");
        let back = polars_io::parquet::read::ParquetReader::new(std::io::Cursor::new(parquet)).finish().expect("reads");
        assert!(back.equals_missing(frame.table()));
        assert_eq!(String::from_utf8_lossy(&csv), "method,pgr\n\"a, b\",0.5\nc,\n");
        assert!(String::from_utf8_lossy(&markdown).starts_with("| method | pgr |"));
        assert!(String::from_utf8_lossy(&latex).contains("\\toprule"));
    }
}
