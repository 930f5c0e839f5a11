internal import System

/// Weights in formats that are not read: recognised, so that the way out can be named.
enum ForeignWeights {
    /// What is wrong with a directory that has neither `model.safetensors` nor its index.
    static func failure(_ folder: ModelFolder) throws(Failure) -> Failure {
        let names = try FileSystem.list(folder.canonicalPath)
        func matching(_ suffixes: [String], prefix: String = "") -> [String] {
            names.filter { name in name.hasPrefix(prefix) && suffixes.contains { name.hasSuffix($0) } }
        }
        let place = Failure.Place(file: folder.path)
        let gguf = matching([".gguf"])
        if !gguf.isEmpty {
            return Failure(
                .unsupported, "holds only GGUF weights (\(listed(gguf))), which are not read", at: place,
                remedy: "Use the original checkpoint in Hugging Face layout with safetensors weights")
        }
        let pickled = matching([".bin", ".pt", ".pth", ".ckpt"]).filter { !$0.hasPrefix("training_args") }
        if !pickled.isEmpty {
            return Failure(
                .unsupported,
                "holds only pickled weights (\(listed(pickled))); they can run code when they are read and are refused",
                at: place,
                remedy:
                    "Convert them: in Python, transformers' AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW)"
            )
        }
        let others = matching([".h5", ".msgpack", ".onnx", ".npz"])
        if !others.isEmpty {
            return Failure(
                .unsupported, "holds weights of another framework (\(listed(others))), which are not read", at: place,
                remedy: "Use the checkpoint's safetensors files")
        }
        let shards = matching([".safetensors"])
        if !shards.isEmpty {
            return Failure(
                .inputMissing,
                "holds \(listed(shards)), but neither model.safetensors nor \(ShardIndex.fileName)", at: place,
                remedy: "Fetch the directory again, whole")
        }
        return Failure(
            .inputMissing, "holds no weights: model.safetensors or \(ShardIndex.fileName) is expected", at: place,
            remedy: "Fetch the directory again, whole")
    }
}
