internal import ModelFiles
package import System
internal import Tensors

/// A PEFT adapter that was read: its configuration, and the parameters for the sites of a model.
package struct LoadedAdapter: Sendable {
    package let configuration: AdapterConfiguration
    /// One entry for each adapted site, in the order of the model.
    package let parameters: AdapterSet
}

/// A directory in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
package enum AdapterDirectory {
    package static let weightsFileName = "adapter_model.safetensors"

    /// Whether a directory is an adapter: it holds a configuration of one.
    package static func isAdapter(_ directory: String) -> Bool {
        FileSystem.isRegularFile(FileSystem.join(directory, AdapterConfiguration.fileName))
    }

    /// Reads the configuration alone, supported or not.
    ///
    /// - Throws: `inputMissing` where directory or file is missing, and what `AdapterConfiguration.init` throws.
    package static func configuration(_ directory: String) throws(Failure) -> AdapterConfiguration {
        guard FileSystem.isDirectory(directory) else {
            throw Failure(
                .inputMissing, "there is no such directory", at: .init(file: directory), remedy: "Check the path")
        }
        let file = FileSystem.join(directory, AdapterConfiguration.fileName)
        guard FileSystem.status(file) != nil else {
            throw Failure(
                .inputMissing, "the directory holds no \(AdapterConfiguration.fileName): it is no PEFT adapter",
                at: .init(file: directory), remedy: "Give the directory that save_pretrained or train wrote")
        }
        return try AdapterConfiguration(FileReader.readJSONObject(file, limit: 16 << 20), file: file)
    }

    /// Reads an adapter for a model, strictly: every site that the configuration selects has its two matrices of the
    /// right shapes, and there is no other tensor.
    ///
    /// - Parameters:
    ///   - directory: the adapter.
    ///   - sites: every linear of the model, in the model's order.
    ///   - outputHead: the path of the output head.
    /// - Returns: parameters in float32, from any of float64, float32, bfloat16 and float16.
    /// - Throws: `Failure` naming file and tensor: 66 missing files, 69 what is not a plain LoRA or is stored in
    ///   Python's pickle format, 65 tensors that are unknown, missing, of a wrong shape or not finite.
    package static func read(
        _ directory: String, sites: [AdapterSite], outputHead: String?
    ) throws(Failure) -> LoadedAdapter {
        let configuration = try configuration(directory)
        try configuration.requireSupported(file: FileSystem.join(directory, AdapterConfiguration.fileName))
        let path = FileSystem.join(directory, weightsFileName)
        if FileSystem.status(path) == nil,
            FileSystem.status(FileSystem.join(directory, "adapter_model.bin")) != nil
        {
            throw Failure(
                .unsupported,
                "the adapter is stored as adapter_model.bin, whose pickle format can run code and is not read",
                at: .init(file: directory), remedy: "Load it with PEFT and save it again with safe_serialization=True")
        }
        let file = try SafetensorsFile(path)
        var contents = try AdapterTensors(file, sites: sites, configuration: configuration)
        let selected = try selectedSites(configuration, contents, sites: sites, outputHead: outputHead, path: path)
        let ranked = try configuration.ranks.apply(to: selected)
        try contents.checkComplete(ranked)
        let set = AdapterSet(sites: ranked, dropout: Float(configuration.dropout))
        for (index, entry) in set.entries.enumerated() {
            try contents.load(entry, .a, into: set.matrixA(index))
            try contents.load(entry, .b, into: set.matrixB(index))
        }
        try file.file.throwIfChanged()
        return LoadedAdapter(configuration: configuration, parameters: set)
    }

    private static func selectedSites(
        _ configuration: AdapterConfiguration, _ contents: AdapterTensors, sites: [AdapterSite], outputHead: String?,
        path: String
    ) throws(Failure) -> [AdapterSite] {
        guard let selection = configuration.selection else {
            return sites.filter { $0.stackModule == nil && contents.has($0) }
        }
        let selected: [AdapterSite]
        do throws(Failure) {
            // Names of linears of experts say nothing to transformers 5, where experts have none.
            let known = sites.filter { $0.role != .expert || contents.hasSingleExperts }
            selected = try selection.select(from: known, outputHead: outputHead, requiresEveryName: false)
        } catch  where error.kind == .usage {
            throw Failure(
                .badData, "\(error.what)\(contents.baseName)", at: .init(file: path),
                remedy: "Give the model that the adapter was trained on")
        }
        let strays = contents.strays(beside: selected)
        guard strays.isEmpty else {
            throw Failure(
                .badData, "there are tensors for linears that the configuration does not target: \(listed(strays))",
                at: .init(file: path), remedy: "Correct target_modules in \(AdapterConfiguration.fileName)")
        }
        return selected
    }

    /// Writes an adapter, the weights first: a directory with a configuration is complete.
    ///
    /// - Parameters:
    ///   - parameters: written in float32.
    ///   - configuration: must describe the parameters.
    ///   - directory: exists; files of the two names are replaced.
    /// - Throws: `cannotCreate` or `inputOutput`; then each of the two files is the old one or the new one, whole.
    package static func write(
        _ parameters: AdapterSet, configuration: AdapterConfiguration, to directory: String
    ) throws(Failure) {
        let stored = StoredSites(parameters.entries.map(\.site))
        var declarations: [TensorDeclaration] = []
        for entry in parameters.entries {
            for part in TensorPart.allCases {
                declarations.append(
                    TensorDeclaration(
                        name: part.name(stored.path(entry.site)), type: .float32,
                        shape: StoredSites.shape(part, entry.site, rank: entry.rank)))
            }
        }
        let writer = try SafetensorsWriter(FileSystem.join(directory, weightsFileName), tensors: declarations)
        for (index, entry) in parameters.entries.enumerated() {
            for (part, matrix) in [(TensorPart.a, parameters.matrixA(index)), (.b, parameters.matrixB(index))] {
                try write(matrix, part.name(stored.path(entry.site)), part, entry, to: writer)
            }
        }
        try writer.finish()
        try AtomicFile.write(
            configuration.encoded(), to: FileSystem.join(directory, AdapterConfiguration.fileName))
    }

    private static func write(
        _ matrix: FloatMatrix, _ name: String, _ part: TensorPart, _ entry: AdapterSet.Entry,
        to writer: SafetensorsWriter
    ) throws(Failure) {
        guard part == .b, entry.site.copies > 1 else {
            let bytes = UnsafeRawBufferPointer(start: matrix.base, count: matrix.count * MemoryLayout<Float>.size)
            return try writer.write(name, bytes)
        }
        let stored = (0..<matrix.count).map { matrix.base[StoredSites.place(ofB: $0, entry.site, rank: entry.rank)] }
        var failure: Failure?
        stored.withUnsafeBytes { bytes in
            do throws(Failure) { try writer.write(name, bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }
}
