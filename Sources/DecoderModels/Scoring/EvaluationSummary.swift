internal import Glibc

/// Adds up losses row by row: mean over tokens, perplexity, bits for each byte, and a standard error clustered by row.
package struct EvaluationSummary: Sendable {
    private var rows: [(loss: Double, tokens: Int)] = []
    /// Bytes of the scored text; nil once a row came without text.
    private var textByteCount: Int? = 0

    package init() {}

    /// Adds a row's summed loss (natural logarithm) over its scored tokens.
    package mutating func add(loss: Double, tokens: Int, textByteCount: Int?) {
        rows.append((loss, tokens))
        if let bytes = textByteCount, let sum = self.textByteCount {
            self.textByteCount = sum + bytes
        } else {
            self.textByteCount = nil
        }
    }

    package var rowCount: Int { rows.count }
    /// Scored tokens.
    package var tokenCount: Int { rows.reduce(0) { $0 + $1.tokens } }

    /// Mean loss of a scored token, in nats.
    package var loss: Double { rows.reduce(0) { $0 + $1.loss } / Double(tokenCount) }

    package var perplexity: Double { exp(loss) }

    /// Summed loss in bits over the bytes of the text; nil where rows have no text.
    package var bitsPerByte: Double? {
        guard let textByteCount, textByteCount > 0 else { return nil }
        return rows.reduce(0) { $0 + $1.loss } / (M_LN2 * Double(textByteCount))
    }

    /// Standard error of the mean loss with rows as clusters: the ratio estimator's
    /// sqrt(n / (n − 1) · Σ(lossᵢ − mean · tokensᵢ)²) / Σtokens (Cochran 1977, section 6.3); nil for a single row.
    package var standardError: Double? {
        guard rows.count > 1 else { return nil }
        let mean = loss
        let squares = rows.reduce(0) { sum, row in
            let deviation = row.loss - mean * Double(row.tokens)
            return sum + deviation * deviation
        }
        let count = Double(rows.count)
        return (count / (count - 1) * squares).squareRoot() / Double(tokenCount)
    }
}
