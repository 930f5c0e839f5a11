package import System

/// `{"input_ids": […], "labels": […]}`: already tokenized. Labels are not shifted, -100 is not supervised; without
/// labels every token is supervised. Nothing is added. An `attention_mask` must be all ones: rows come unpadded.
package enum TokenIdRows: RowFormat {
    package static let name = "token-ids"
    package static let requiredFields = ["input_ids"]
    package static let optionalFields = ["labels", "attention_mask"]

    package static func tokens(of row: DataRow, with encoder: RowEncoder) throws(Failure) -> [RowTokens] {
        let ids = try row.integers("input_ids")
        for (index, id) in ids.enumerated() where id < 0 || Int(id) >= encoder.vocabularySize {
            throw row.failure(
                "the id \(id) is outside the vocabulary of \(encoder.vocabularySize)", field: "input_ids",
                element: index,
                remedy: "Tokenize the data with the model's own tokenizer")
        }
        if row.has("attention_mask") { try checkMask(row, count: ids.count) }
        guard row.has("labels") else { return [RowTokens(ids: ids, labels: ids)] }
        let labels = try row.integers("labels")
        guard labels.count == ids.count else {
            throw row.failure("there are \(labels.count) labels for \(ids.count) ids", field: "labels")
        }
        for (index, label) in labels.enumerated()
        where label != TrainingRow.ignored && (label < 0 || Int(label) >= encoder.vocabularySize) {
            throw row.failure(
                "the label \(label) is neither -100 nor inside the vocabulary of \(encoder.vocabularySize)",
                field: "labels", element: index)
        }
        return [RowTokens(ids: ids, labels: labels)]
    }

    private static func checkMask(_ row: DataRow, count: Int) throws(Failure) {
        let mask = try row.integers("attention_mask")
        guard mask.count == count else {
            throw row.failure("the mask has \(mask.count) elements for \(count) ids", field: "attention_mask")
        }
        if let index = mask.firstIndex(where: { $0 != 1 }) {
            throw row.failure(
                "the mask holds \(mask[index]) where rows without padding have 1", field: "attention_mask",
                element: index,
                remedy: "Remove the padding tokens; rows are padded by nobody here")
        }
    }
}
