import System
import TestSupport
import Testing

/// `measure` and `evaluate --compare-to` from outside: figures, documents, files, refusals.
@Suite(.enabled(if: QLoRACommand.isBuilt, "the program was not built beside the tests"))
struct MeasureTests {
    /// Two programs sum float32 products in different orders; an entry of a table that is off by one unit in its third
    /// decimal changes figures of these models by more than 1e-4.
    static let tolerance = 2e-5

    static let fixture = Fixtures.packageRoot() + "/Tests/qloraTests/Fixtures/measure.json"

    private func measure(_ model: String, _ directory: TemporaryDirectory, _ arguments: [String]) -> CommandResult {
        runQLoRA(
            arguments: [
                "measure", "--model", model, "--data", directory.file("rows.jsonl"), "-o", directory.file("study"),
                "--compute", "float32", "--quiet",
            ] + arguments)
    }

    private func rows(_ study: JSONValue) throws -> String {
        try #require(study["rows"]?.array).map { #"{"input_ids":\#(JSONWriter.compact.string($0))}"# }
            .joined(separator: "\n")
    }

    private func names(_ directory: TemporaryDirectory) throws -> [String] {
        try FileSystem.list(directory.file("study"))
    }

    /// Every format against torch and bitsandbytes, see tools/fixtures/measure.py.
    @Test func figuresEqualTheReference() throws {
        for study in try #require(try Fixtures.json(Self.fixture)["studies"]?.array) {
            let directory = TemporaryDirectory()
            directory.write("rows.jsonl", try rows(study))
            let model = Fixtures.modelsDirectory + "/" + (try #require(study["model"]?.string))
            let result = measure(model, directory, ["--block-sizes", "32,64", "--json"])
            #expect(result.status == 0, "\(result.standardError)")
            let report = try JSONParser.parse(result.standardOutput)
            let found = try #require(report["rows"]?.array)
            let expected = try #require(study["expected"]?.array)
            try #require(found.count == expected.count)
            for (row, reference) in zip(found, expected) {
                let format = try #require(row["format"]?.string), block = row["block_size"]?.integer
                #expect(format == reference["format"]?.string && block == reference["block_size"]?.integer)
                func compare(_ key: String) throws {
                    guard format != "none" || key == "loss" else {
                        #expect(row[key]?.isNull == true)
                        return
                    }
                    let value = try #require(row[key]?["value"]?.double), wanted = try #require(reference[key]?.double)
                    #expect(
                        abs(value - wanted) <= Self.tolerance, "\(format) \(block ?? 0) \(key): \(value), \(wanted)")
                    let low = try #require(row[key]?["low"]?.double), high = try #require(row[key]?["high"]?.double)
                    #expect(low <= value && value <= high)
                }
                for key in ["loss", "kl_divergence", "top1_agreement"] { try compare(key) }
            }
            #expect(try names(directory) == ["report.html", "report.json"])
            let written = try FileReader.readJSON(directory.file("study/report.json"))
            #expect(JSONWriter.compact.string(written) + "\n" == result.standardOutput)
        }
    }

    /// What the rows say about size, memory and differences holds together.
    @Test func reportIsConsistent() throws {
        let study = try #require(try Fixtures.json(Self.fixture)["studies"]?.array?.first)
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", try rows(study))
        let model = Fixtures.modelsDirectory + "/" + (try #require(study["model"]?.string))
        let result = measure(model, directory, ["--formats", "nf4+dq,int4", "--keep-models", "--json"])
        #expect(result.status == 0, "\(result.standardError)")
        let report = try JSONParser.parse(result.standardOutput)
        #expect(report["kind"]?.string == "measure" && report["version"]?.integer == 2)
        #expect(report["model"]?["sha256"]?.string?.count == 64)
        #expect(report["data"]?["scored"]?["supervised_tokens"]?.integer == study["tokens"]?.integer)
        let files = report["data"]?["files"]?.array
        #expect(files?.map { $0["name"]?.string } == ["rows.jsonl"] && files?[0]["sha256"]?.string?.count == 64)
        let found = try #require(report["rows"]?.array)
        #expect(found.compactMap { $0["format"]?.string } == ["none", "nf4+dq", "int4"])
        #expect(try FileSystem.list(directory.file("study/models")) == ["int4-64", "nf4+dq-64"])
        let loss = try #require(found[0]["loss"]?["value"]?.double)
        for row in found {
            let name = try #require(row["format"]?.string)
            let folder = name == "none" ? model : directory.file("study/models/\(name)-64")
            let files = try FileSystem.list(folder).filter { $0.hasSuffix(".safetensors") && $0.hasPrefix("model") }
            let bytes = files.reduce(0) { $0 + (FileSystem.status(folder + "/" + $1)?.byteCount ?? 0) }
            #expect(row["disk_bytes"]?.integer == bytes)
            let peak = try #require(row["peak_rss_bytes"]?.integer)
            let anonymous = try #require(row["anonymous_bytes"]?.integer)
            #expect(anonymous > 1 << 20 && anonymous < peak && peak < 1 << 30)
            #expect(try #require(row["tokens_per_second"]?.double) > 0)
            if name == "none" { continue }
            let difference = try #require(row["loss_difference"]?["value"]?.double)
            let own = try #require(row["loss"]?["value"]?.double)
            #expect(abs(own - loss - difference) < 1e-12)
            let written = try FileReader.readJSON(folder + "/quantization_report.json")
            #expect(row["bits_per_parameter"]?.double == written["bits_per_parameter"]?.double)
        }
        #expect(try #require(found[2]["bits_per_linear_weight"]?.double) > 4)
        // The fixture is stored in bfloat16.
        #expect(found[0]["bits_per_linear_weight"]?.double == 16)
        let html = try FileReader.readText(directory.file("study/report.html"))
        #expect(html.contains("nf4+dq 64") && html.contains("<svg") && !html.contains("http"))
        // A second study needs --overwrite, which replaces the models too.
        let refused = measure(model, directory, [])
        #expect(refused.status == 73 && refused.standardError.contains("--overwrite"))
        #expect(measure(model, directory, ["--formats", "int8", "--overwrite"]).status == 0)
        #expect(try FileReader.readJSON(directory.file("study/report.json"))["rows"]?.array?.count == 2)
        directory.write("study/notes.txt", "mine")
        #expect(measure(model, directory, ["--overwrite"]).status == 73)
    }

    /// With ranks every format is trained on the same rows, and compared with the unquantized model of the same rank.
    @Test func ranksAreTrained() throws {
        let study = try #require(try Fixtures.json(Self.fixture)["studies"]?.array?.first)
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", try rows(study))
        directory.write("train.jsonl", try rows(study))
        let model = Fixtures.modelsDirectory + "/" + (try #require(study["model"]?.string))
        let arguments = [
            "--formats", "int8,nf4", "--ranks", "0,2,4", "--train-data", directory.file("train.jsonl"), "--max-steps",
            "3",
            "--gradient-accumulation", "4", "--learning-rate", "0.01", "--json", "--overwrite",
        ]
        let result = measure(model, directory, arguments)
        #expect(result.status == 0, "\(result.standardError)")
        let report = try JSONParser.parse(result.standardOutput)
        let found = try #require(report["rows"]?.array)
        #expect(found.compactMap { $0["rank"]?.integer } == [0, 0, 0, 2, 2, 2, 4, 4, 4])
        #expect(found.compactMap { $0["format"]?.string }.prefix(3) == ["none", "int8", "nf4"])
        for row in found {
            let isTrained = row["rank"]?.integer != 0
            #expect(row["training"]?["steps"]?.integer == (isTrained ? 3 : nil))
            #expect(((row["training"]?["peak_rss_bytes"]?.integer ?? 0) > 0) == isTrained)
        }
        // Training on the scored rows lowers their loss; int8 stays near the unquantized model of its rank.
        func loss(_ index: Int) -> Double { found[index]["loss"]?["value"]?.double ?? .nan }
        #expect(loss(3) < loss(0) - 0.1 && loss(5) < loss(2) - 0.1)
        #expect(abs(found[4]["loss_difference"]?["value"]?.double ?? .nan) < 0.1)
        #expect(abs(loss(4) - loss(3) - (found[4]["loss_difference"]?["value"]?.double ?? .nan)) < 1e-12)
        #expect(try names(directory) == ["report.html", "report.json"])
        // The same study gives the same figures; the split of --data trains on other rows than it scores.
        let again = try JSONParser.parse(measure(model, directory, arguments).standardOutput)
        #expect(
            again["rows"]?.array?.map { $0["loss"]?["value"]?.double } == found.map { $0["loss"]?["value"]?.double })
        let split = measure(
            model, directory,
            ["--formats", "none", "--ranks", "2", "--eval-split", "0.25", "--max-steps", "1", "--json", "--overwrite"])
        #expect(split.status == 0, "\(split.standardError)")
        let data = try JSONParser.parse(split.standardOutput)["data"]
        #expect(data?["scored"]?["rows"]?.integer == 3 && data?["trained"]?["rows"]?.integer == 9)
    }

    /// Experts stored one by one and together: the loss of each row is that of `evaluate`, and linears include experts.
    @Test(arguments: ["mixtral-v4", "qwen2-moe-v5-stacked", "olmoe-v4", "qwen3-moe-v5"])
    func measuresMixtures(name: String) throws {
        let directory = TemporaryDirectory()
        let data = directory.write("rows.jsonl", VerbTests.rows)
        let model = Fixtures.modelsDirectory + "/" + name
        let result = measure(
            model, directory,
            [
                "--formats", "int8,nf4+dq", "--ranks", "0,2", "--train-data", data, "--max-steps", "2", "--json",
                "--keep-models",
            ])
        #expect(result.status == 0, "\(result.standardError)")
        let found = try #require(try JSONParser.parse(result.standardOutput)["rows"]?.array)
        #expect(found.compactMap { $0["rank"]?.integer } == [0, 0, 0, 2, 2, 2])
        let models = [model, directory.file("study/models/int8-64"), directory.file("study/models/nf4+dq-64")]
        for (row, (index, rank)) in zip(found, [(0, 0), (1, 0), (2, 0), (0, 2), (1, 2), (2, 2)]) {
            var arguments = ["evaluate", "--model", models[index], "--data", data, "--compute", "float32", "--json"]
            let name = ["none", "int8-64", "nf4+dq-64"][index]
            if rank > 0 { arguments += ["--adapter", directory.file("study/models/\(name)-rank\(rank)")] }
            let evaluation = runQLoRA(arguments: arguments)
            #expect(evaluation.status == 0, "\(evaluation.standardError)")
            let loss = try JSONParser.parse(evaluation.standardOutput)["loss"]?.double
            #expect(abs((row["loss"]?["value"]?.double ?? .nan) - (loss ?? .nan)) < 1e-9, "\(name), rank \(rank)")
            let divergence = row["kl_divergence"]?["value"]?.double ?? 0
            #expect(index == 0 || (divergence > 0 && divergence < 1), "\(name), rank \(rank): \(divergence)")
        }
        // What the report of quantize says of linears and experts together.
        let report = try FileReader.readJSON(models[1] + "/quantization_report.json")
        let linears = report["tensors"]?.array?.filter { $0["action"]?.string == "quantized" } ?? []
        #expect(linears.contains { $0["name"]?.string?.contains("experts") == true })
        let bits = linears.reduce(0) { $0 + ($1["bytes_after"]?.integer ?? 0) } * 8
        let count = linears.reduce(0) { $0 + ($1["shape"]?.array ?? []).reduce(1) { $0 * ($1.integer ?? 0) } }
        #expect(found[1]["bits_per_linear_weight"]?.double == Double(bits) / Double(count))
    }

    @Test func tableFitsAHundredColumns() throws {
        let study = try #require(try Fixtures.json(Self.fixture)["studies"]?.array?.first)
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", try rows(study))
        let model = Fixtures.modelsDirectory + "/" + (try #require(study["model"]?.string))
        let result = measure(model, directory, ["--formats", "nf4"])
        #expect(result.status == 0 && result.standardError.isEmpty, "\(result.standardError)")
        let lines = result.standardOutput.split(separator: "\n")
        #expect(lines.count == 4 && lines[0].hasPrefix("format") && lines[3].hasSuffix("report.html"))
        #expect(lines.prefix(3).allSatisfy { $0.count <= 102 })
        #expect(lines[2].hasPrefix("nf4 "))
    }

    @Test func comparesTwoModels() throws {
        let study = try #require(try Fixtures.json(Self.fixture)["studies"]?.array?.first)
        let directory = TemporaryDirectory()
        let data = directory.write("rows.jsonl", try rows(study))
        let model = Fixtures.modelsDirectory + "/" + (try #require(study["model"]?.string))
        let base = directory.file("base")
        #expect(runQLoRA(arguments: ["quantize", model, "-o", base, "--no-double-quant"]).status == 0)
        func evaluate(_ model: String, _ other: String, _ arguments: [String] = []) -> CommandResult {
            runQLoRA(
                arguments: [
                    "evaluate", "--model", model, "--data", data, "--compare-to", other, "--compute", "float32",
                ] + arguments)
        }
        let found = try JSONParser.parse(evaluate(base, model, ["--json"]).standardOutput)
        let expected = try #require(
            study["expected"]?.array?.first { $0["format"]?.string == "nf4" && $0["block_size"]?.integer == 64 })
        for key in ["kl_divergence", "top1_agreement"] {
            let value = try #require(found[key]?["value"]?.double), wanted = try #require(expected[key]?.double)
            #expect(abs(value - wanted) <= Self.tolerance, "\(key)")
        }
        // Windows shorter than the rows are compared window by window.
        let windows = try JSONParser.parse(evaluate(base, model, ["--json", "--max-length", "8"]).standardOutput)
        #expect(windows["tokens"]?.integer == found["tokens"]?.integer)
        #expect(windows["kl_divergence"]?["value"]?.double != found["kl_divergence"]?["value"]?.double)
        let same = evaluate(model, model)
        #expect(
            same.standardOutput.contains(
                "loss difference +0.0000 [+0.0000, +0.0000], KL divergence 0.0000 [0.0000, 0.0000] nats, top-1 agreement "
                    + "100.00 [100.00, 100.00] %"))
        let other = evaluate(model, Fixtures.modelsDirectory + "/llama-v4-plain")
        #expect(
            other.status == 65 && other.standardError.contains("vocabularies of 50 and 48"), "\(other.standardError)")
    }

    @Test func wrongRequestsAreRefused() throws {
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", #"{"input_ids":[1,2,3]}"#)
        let model = Fixtures.modelsDirectory + "/llama-v4-plain"
        for (arguments, status, message) in [
            (["--formats", "nf5"], 64, "\"nf5\", which does not exist. Choose among none, nf4, nf4+dq, fp4"),
            (["--formats", "int8+dq"], 64, "\"int8+dq\""), (["--formats", ""], 64, "formats"),
            (["--block-sizes", "48"], 64, "48, which is not supported"), (["--block-sizes", "a"], 64, "block-sizes"),
            (["--ranks=-1"], 64, "--ranks names -1"), (["--train-data", "x"], 64, "no rank above 0"),
            (["--eval-every", "2"], 64, "--eval-every"), (["--max-length", "1"], 64, "--max-length is 1"),
            (["--ranks", "4", "--eval-split", "0"], 64, "leaves none to score"),
            (["--ranks", "4", "--eval-split", "0.5"], 64, "leaves none to score"),
        ] as [([String], Int32, String)] {
            let result = measure(model, directory, arguments)
            #expect(result.status == status && result.standardError.contains(message), "\(result.standardError)")
            #expect(FileSystem.status(directory.file("study")) == nil, "\(arguments)")
        }
        let base = directory.file("base")
        #expect(runQLoRA(arguments: ["quantize", model, "-o", base]).status == 0)
        let quantized = measure(base, directory, [])
        #expect(quantized.status == 69 && quantized.standardError.contains("Give the original checkpoint as --model"))
        // What a process of a study says reaches the person; nothing is left.
        directory.write("rows.jsonl", String(repeating: "{\"input_ids\":[1,2,3]}\n", count: 4))
        let failed = measure(model, directory, ["--ranks", "4", "--eval-split", "0.5", "--targets", "nothing_proj"])
        #expect(failed.status == 64, "\(failed.standardError)")
        #expect(failed.standardError.contains("training none, rank 4 failed: the model has no linear \"nothing_proj\""))
        #expect(FileSystem.status(directory.file("study")) == nil)
    }

    /// A study that is interrupted ends its processes and leaves nothing.
    @Test(arguments: [("INT", Int32(130)), ("TERM", 143)])
    func interrupted(signal: String, status: Int32) throws {
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", String(repeating: "{\"input_ids\":[1,2,3]}\n", count: 4))
        let program = try #require(QLoRACommand.path), study = directory.file("study")
        let result = runCommand(
            path: "/bin/bash",
            arguments: [
                "-c",
                "\(program) measure --model \(Fixtures.modelsDirectory)/llama-v4-plain --data \(directory.file("rows.jsonl")) "
                    + "-o \(study) --ranks 4 --eval-split 0.5 --max-steps 100000000 & parent=$!; "
                    + "while ! ls \(study)/.measure.*/models/none-rank4/metrics.jsonl >/dev/null 2>&1; do sleep 0.05; done; "
                    + "child=$(cat /proc/$parent/task/*/children | tr -d ' '); kill -\(signal) $parent; wait $parent; "
                    + "status=$?; sleep 0.1; [ -e /proc/$child ] && echo alive; exit $status",
            ])
        #expect(result.status == status, "\(result.standardError)")
        #expect(!result.standardOutput.contains("alive"))
        #expect(FileSystem.status(study) == nil)
    }

    /// A study that is killed takes its processes with it; the next one clears what it left.
    @Test func killed() throws {
        let directory = TemporaryDirectory()
        directory.write("rows.jsonl", String(repeating: "{\"input_ids\":[1,2,3]}\n", count: 4))
        let program = try #require(QLoRACommand.path), study = directory.file("study")
        let model = Fixtures.modelsDirectory + "/llama-v4-plain"
        let result = runCommand(
            path: "/bin/bash",
            arguments: [
                "-c",
                "\(program) measure --model \(model) --data \(directory.file("rows.jsonl")) "
                    + "-o \(study) --ranks 4 --eval-split 0.5 --max-steps 100000000 & parent=$!; "
                    + "while ! ls \(study)/.measure.*/models/none-rank4/metrics.jsonl >/dev/null 2>&1; do sleep 0.05; done; "
                    + "child=$(cat /proc/$parent/task/*/children | tr -d ' '); kill -KILL $parent; wait $parent; "
                    + "for i in $(seq 100); do [ -e /proc/$child ] || exit 0; sleep 0.05; done; echo alive",
            ])
        #expect(result.standardOutput.isEmpty, "\(result.standardOutput)")
        #expect(measure(model, directory, ["--formats", "int8"]).status == 0)
        #expect(try names(directory) == ["report.html", "report.json"])
    }
}
