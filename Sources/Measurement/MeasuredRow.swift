internal import Glibc
package import System

/// What storing the weights takes, known from the files alone.
package struct StoredSize: Sendable {
    /// All weight files: what they are named in the directory is their size.
    package var fileByteCount: Int
    /// Stored bits, scales and tables included, for each weight of the linears that formats quantize.
    package var bitsPerLinearWeight: Double
    /// Stored bits for each parameter of the whole model.
    package var bitsPerParameter: Double

    package init(fileByteCount: Int, bitsPerLinearWeight: Double, bitsPerParameter: Double) {
        self.fileByteCount = fileByteCount
        self.bitsPerLinearWeight = bitsPerLinearWeight
        self.bitsPerParameter = bitsPerParameter
    }
}

/// What a process found that scored the rows with one model and did nothing else.
package struct ScoredRun: Sendable {
    /// Summed loss of each row, in nats.
    package var losses: [Double]
    /// Scored tokens of each row.
    package var tokens: [Int]
    /// Tokens that went through the model, and the seconds that took.
    package var processedTokenCount: Int
    package var seconds: Double
    /// Bytes of the base's tensors, mapped from its files.
    package var baseByteCount: Int
    /// The most that was ever resident (VmHWM).
    package var peakResidentByteCount: Int
    /// The most that was seen of pages without a file, and of pages of mapped files.
    package var anonymousByteCount: Int
    package var fileByteCount: Int

    package init(
        losses: [Double], tokens: [Int], processedTokenCount: Int, seconds: Double, baseByteCount: Int,
        peakResidentByteCount: Int, anonymousByteCount: Int, fileByteCount: Int
    ) {
        self.losses = losses
        self.tokens = tokens
        self.processedTokenCount = processedTokenCount
        self.seconds = seconds
        self.baseByteCount = baseByteCount
        self.peakResidentByteCount = peakResidentByteCount
        self.anonymousByteCount = anonymousByteCount
        self.fileByteCount = fileByteCount
    }

    package var tokensPerSecond: Double { Double(processedTokenCount) / max(seconds, 1e-9) }

    /// The document that the process prints.
    package var json: JSONValue {
        .object(
            JSONObject([
                ("losses", .array(losses.map(JSONValue.double))), ("tokens", .array(tokens.map(JSONValue.integer))),
                ("processed_tokens", .integer(processedTokenCount)), ("seconds", .double(seconds)),
                ("base_bytes", .integer(baseByteCount)), ("peak_rss_bytes", .integer(peakResidentByteCount)),
                ("anonymous_bytes", .integer(anonymousByteCount)), ("file_bytes", .integer(fileByteCount)),
            ]))
    }

    /// Reads the document; nil where it is another one. A loss that was no finite number becomes NaN again.
    package init?(_ json: JSONValue) {
        guard let losses = json["losses"]?.array, let tokens = json["tokens"]?.array,
            let processed = json["processed_tokens"]?.integer, let seconds = json["seconds"]?.double,
            let base = json["base_bytes"]?.integer, let peak = json["peak_rss_bytes"]?.integer,
            let anonymous = json["anonymous_bytes"]?.integer, let file = json["file_bytes"]?.integer
        else { return nil }
        self.init(
            losses: losses.map { $0.double ?? .nan }, tokens: tokens.compactMap(\.integer),
            processedTokenCount: processed, seconds: seconds, baseByteCount: base, peakResidentByteCount: peak,
            anonymousByteCount: anonymous, fileByteCount: file)
        guard self.tokens.count == self.losses.count else { return nil }
    }
}

/// What training an adapter on a base took.
package struct TrainedRun: Sendable {
    package var steps: Int
    /// Of the last step, on the rows it trained on.
    package var finalLoss: Double
    package var seconds: Double
    package var peakResidentByteCount: Int
    /// Bytes of the adapter's weights.
    package var adapterByteCount: Int

    package init(steps: Int, finalLoss: Double, seconds: Double, peakResidentByteCount: Int, adapterByteCount: Int) {
        self.steps = steps
        self.finalLoss = finalLoss
        self.seconds = seconds
        self.peakResidentByteCount = peakResidentByteCount
        self.adapterByteCount = adapterByteCount
    }

    var json: JSONValue {
        .object(
            JSONObject([
                ("steps", .integer(steps)), ("final_loss", .double(finalLoss)), ("seconds", .double(seconds)),
                ("peak_rss_bytes", .integer(peakResidentByteCount)), ("adapter_bytes", .integer(adapterByteCount)),
            ]))
    }
}

/// A line of the table: one format at one block size, as it is or after training at one rank.
package struct MeasuredRow: Sendable {
    package var format: MeasuredFormat
    /// 0 without an adapter.
    package var rank: Int
    package var size: StoredSize
    package var run: ScoredRun
    /// nil at rank 0.
    package var training: TrainedRun?
    /// Mean loss of a scored token.
    package var loss: Estimate
    /// Against the unquantized model of the same rank: nil for that model itself.
    package var lossDifference: Estimate?
    package var divergence: Estimate?
    package var agreement: Estimate?

    package var perplexity: Double { exp(loss.value) }

    /// Puts a row together.
    ///
    /// - Parameters:
    ///   - reference: the losses of the unquantized model of the same rank, over the same rows, and how its
    ///     distributions differ; nil for that model itself.
    package init(
        format: MeasuredFormat, rank: Int, size: StoredSize, run: ScoredRun, training: TrainedRun?,
        against reference: (run: ScoredRun, sums: [ModelComparison.RowSums])?, bootstrap: PairedBootstrap
    ) {
        self.format = format
        self.rank = rank
        self.size = size
        self.run = run
        self.training = training
        loss = bootstrap.ratio(run.losses, run.tokens)
        guard let reference else { return }
        lossDifference = bootstrap.ratio(zip(run.losses, reference.run.losses).map { $0 - $1 }, run.tokens)
        divergence = bootstrap.ratio(reference.sums.map(\.divergence), reference.sums.map(\.tokens))
        agreement = bootstrap.ratio(reference.sums.map { Double($0.agreements) }, reference.sums.map(\.tokens))
    }

    /// An element of `rows` in `report.json`.
    package var json: JSONValue {
        .object(
            JSONObject([
                ("format", .string(format.name)), ("block_size", format.blockSize.map { .integer($0) } ?? .null),
                ("rank", .integer(rank)), ("disk_bytes", .integer(size.fileByteCount)),
                ("bits_per_linear_weight", .double(size.bitsPerLinearWeight)),
                ("bits_per_parameter", .double(size.bitsPerParameter)), ("base_bytes", .integer(run.baseByteCount)),
                ("peak_rss_bytes", .integer(run.peakResidentByteCount)),
                ("anonymous_bytes", .integer(run.anonymousByteCount)), ("file_bytes", .integer(run.fileByteCount)),
                ("tokens_per_second", .double(run.tokensPerSecond)), ("loss", loss.json),
                ("perplexity", .double(perplexity)), ("loss_difference", lossDifference?.json ?? .null),
                ("kl_divergence", divergence?.json ?? .null), ("top1_agreement", agreement?.json ?? .null),
                ("training", training?.json ?? .null),
            ]))
    }
}
