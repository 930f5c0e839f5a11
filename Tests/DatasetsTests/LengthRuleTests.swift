import Datasets
import System
import Testing

struct LengthRuleTests {
    static let row = "{\"input_ids\":[1,2,3,4,5],\"labels\":[-100,-100,-100,4,5]}"

    private func lengths(_ text: String, _ rule: OverlongRule, _ maximum: Int) throws -> Dataset {
        try load(text) { $0.length = LengthRule(maximumLength: maximum, overlong: rule) }
    }

    @Test func rowsThatFitAreUntouched() throws {
        for rule in OverlongRule.allCases {
            let data = try lengths(Self.row, rule, 5)
            #expect(data.rows.map(\.ids) == [[1, 2, 3, 4, 5]])
            #expect(data.summary.truncatedCount + data.summary.splitCount + data.summary.droppedCount == 0)
        }
    }

    @Test func errorNamesLineAndLengths() throws {
        #expect(
            try refusal(of: "{\"input_ids\":[1,2]}\n" + Self.row) { $0.length = LengthRule(maximumLength: 4) }
                == "rows.jsonl:2:1: the row has 5 tokens, more than the maximum length of 4. "
                + "Raise --max-length, or choose --overlong truncate, drop or split.")
    }

    @Test func overlongRowsAreNotSkippedAsBadRows() throws {
        let message = try refusal(of: Self.row) {
            $0.length = LengthRule(maximumLength: 4)
            $0.badRows = .skip
        }
        #expect(message.contains("more than the maximum length"))
    }

    @Test func truncateKeepsTheStart() throws {
        let data = try lengths(Self.row, .truncate, 4)
        #expect(data.rows.map(\.ids) == [[1, 2, 3, 4]])
        #expect(data.rows.map(\.labels) == [[-100, -100, -100, 4]])
        #expect(data.summary.truncatedCount == 1)
        #expect(
            try refusal(of: Self.row) { $0.length = LengthRule(maximumLength: 3, overlong: .truncate) }
                == "rows.jsonl:1:1: none of the first 3 of the row's 5 tokens is supervised: truncating it leaves nothing "
                + "to learn. Raise --max-length, or choose --overlong drop or split.")
    }

    @Test func dropLeavesThemOut() throws {
        let data = try lengths(Self.row + "\n{\"input_ids\":[1,2]}", .drop, 4)
        #expect(data.rows.map(\.ids) == [[1, 2]])
        #expect(data.summary.droppedCount == 1)
        let message = try refusal(of: Self.row) { $0.length = LengthRule(maximumLength: 4, overlong: .drop) }
        #expect(
            message
                == "rows.jsonl: none of the file's 1 rows is left: 0 could not be read, 1 are longer than the maximum "
                + "length.")
    }

    /// The first part has no supervised token, the last one token: both have nothing to learn from.
    @Test func splitCutsAndLeavesOutEmptyParts() throws {
        let data = try lengths("{\"input_ids\":[1,2,3,4,5,6,7],\"labels\":[-100,-100,3,4,5,6,7]}", .split, 2)
        #expect(data.rows.map(\.ids) == [[3, 4], [5, 6]])
        #expect(data.rows.map(\.sourceLine) == [1, 1])
        #expect(data.summary.splitCount == 1)
        #expect(data.summary.emptyPartCount == 2)
        #expect(data.summary.rowCount == 2)
    }

    /// "abcdefgh" is three tokens of 3, 3 and 2 bytes between two without text.
    @Test func textBytesOfParts() throws {
        let text = #"{"text":"abcdefgh"}"#
        #expect(try lengths(text, .truncate, 3).rows.map(\.textByteCount) == [6])
        #expect(try lengths(text, .split, 3).rows.map(\.textByteCount) == [6, 2])
        #expect(try lengths(text, .split, 5).rows.map(\.textByteCount) == [8])
    }

    @Test func lengthsThatAreRefused() throws {
        #expect(
            try refusal(of: Self.row) { $0.length = LengthRule(maximumLength: 1) }
                == "--max-length is 1: 2 or more is expected.")
    }
}
