internal import System

/// Reads the index of a file that nobody vouches for: every number is checked before it is used, and the whole must
/// describe every byte of the file exactly once.
struct IndexReader {
    private let file: String
    /// Where the index lies in the file, for messages.
    private let indexOffset: Int
    private var planeEnd = ContainerFrame.headByteCount

    /// - Parameters:
    ///   - document: the decoded index.
    ///   - indexOffset: where the planes end and the index begins.
    static func read(_ document: [UInt8], file: String, indexOffset: Int) throws(Failure) -> CheckpointIndex {
        var reader = IndexReader(file: file, indexOffset: indexOffset)
        let value: JSONValue
        do throws(Failure) {
            value = try JSONParser.parse(document, limits: .header)
        } catch {
            throw reader.damaged("the index is no JSON document: \(error.what)")
        }
        guard let header = value["header"]?.object, let groups = value["groups"]?.array,
            let streams = value["streams"]?.array
        else { throw reader.damaged("the index lacks its header, groups or streams") }
        var index = CheckpointIndex(header: header, groups: [], streams: [])
        for (number, group) in groups.enumerated() {
            index.groups.append(try reader.group(group, field: "groups[\(number)]"))
        }
        guard reader.planeEnd == indexOffset else {
            throw reader.damaged("the planes end at byte \(reader.planeEnd), where the index does not begin")
        }
        try reader.readStreams(streams, into: &index)
        return index
    }

    private init(file: String, indexOffset: Int) {
        self.file = file
        self.indexOffset = indexOffset
    }

    private func damaged(_ what: String, field: String? = nil) -> Failure {
        Failure(
            .badData, what, at: .init(file: file, byteOffset: indexOffset, field: field), remedy: CheckpointFile.remedy)
    }

    private func role(_ value: JSONValue, field: String) throws(Failure) -> StreamRole {
        guard let text = value["role"]?.string, StreamRole.isValid(text) else {
            throw damaged("the role is not a short word of lower-case letters", field: field)
        }
        return StreamRole(rawValue: text)
    }

    private mutating func group(_ value: JSONValue, field: String) throws(Failure) -> CheckpointIndex.Group {
        let role = try role(value, field: field)
        guard let name = value["transform"]?.string else { throw damaged("a group has no transform", field: field) }
        guard let transform = PlaneTransform(rawValue: name) else {
            throw Failure(
                .unsupported, "the transform \"\(name)\" is not supported",
                at: .init(file: file, byteOffset: indexOffset, field: field),
                remedy: "Use the program that wrote it, or a newer one")
        }
        guard let entries = value["planes"]?.array, entries.count % transform.planeCount == 0 else {
            throw damaged("a group has chunks without all their planes", field: field)
        }
        var group = CheckpointIndex.Group(role: role, transform: transform, planes: [], chunkStarts: [0])
        for (number, entry) in entries.enumerated() {
            let plane = try plane(entry, field: "\(field).planes[\(number)]")
            if number % transform.planeCount == 0 {
                let (end, overflow) = group.count.addingReportingOverflow(plane.rawByteCount)
                guard !overflow else { throw damaged("a group has too many elements", field: field) }
                group.chunkStarts.append(end)
            } else if let last = group.planes.last, last.rawByteCount != plane.rawByteCount {
                throw damaged("the planes of a chunk have different lengths", field: field)
            }
            group.planes.append(plane)
        }
        return group
    }

    private mutating func plane(_ value: JSONValue, field: String) throws(Failure) -> CheckpointIndex.Plane {
        guard let parts = value.array, parts.count == 4, let offset = parts[0].integer,
            let byteCount = parts[1].integer, let rawByteCount = parts[2].integer, let digits = parts[3].string,
            digits.utf8.count == 16, let hash = UInt64(digits, radix: 16),
            CheckpointIndex.hexadecimal(hash) == digits
        else { throw damaged("a plane is not [offset, length, raw length, hash]", field: field) }
        guard offset == planeEnd, rawByteCount > 0, rawByteCount <= StreamLayout.chunkLimit, byteCount > 0,
            byteCount <= rawByteCount, byteCount <= indexOffset - planeEnd
        else {
            throw damaged(
                "a plane of \(byteCount) bytes at \(offset) for \(rawByteCount) raw ones does not follow the one before",
                field: field)
        }
        planeEnd += byteCount
        return CheckpointIndex.Plane(offset: offset, byteCount: byteCount, rawByteCount: rawByteCount, hash: hash)
    }

    private func readStreams(_ values: [JSONValue], into index: inout CheckpointIndex) throws(Failure) {
        var seen = Set<[UInt8]>()
        // The group that is being filled, and how far.
        var group = -1, filled = 0
        for (number, value) in values.enumerated() {
            let field = "streams[\(number)]"
            var stream = try description(value, field: field)
            guard seen.insert(Array(stream.role.rawValue.utf8) + [0] + Array(stream.name.utf8)).inserted else {
                throw damaged("the stream \"\(stream.name)\" appears twice in one role", field: field)
            }
            if let same = value["same_as"] {
                guard let original = same.integer, original >= 0, original < number,
                    index.streams[original].copyOf == nil, index.streams[original].count == stream.count,
                    index.streams[original].sha256 == stream.sha256
                else { throw damaged("a stream is the same as none before it", field: field) }
                stream.copyOf = original
                stream.group = index.streams[original].group
                stream.start = index.streams[original].start
            } else {
                if let next = value["group"]?.integer, next == group + 1, next < index.groups.count,
                    group < 0 || filled == index.groups[group].count
                {
                    group = next
                    filled = 0
                }
                guard let stated = value["group"]?.integer, stated == group, stated >= 0,
                    value["start"]?.integer == filled, index.groups[group].role == stream.role,
                    stream.count <= index.groups[group].count - filled
                else { throw damaged("a stream does not follow the one before it in its group", field: field) }
                stream.group = group
                stream.start = filled
                filled += stream.count
            }
            index.streams.append(stream)
        }
        guard group == index.groups.count - 1, group < 0 || filled == index.groups[group].count else {
            throw damaged("the streams do not fill the groups")
        }
    }

    private func description(_ value: JSONValue, field: String) throws(Failure) -> CheckpointIndex.Stream {
        let role = try role(value, field: field)
        guard let name = value["name"]?.string, !name.isEmpty, name.utf8.count <= CheckpointStream.nameLimit,
            !name.utf8.contains(0)
        else { throw damaged("a stream has no usable name", field: field) }
        guard value["dtype"]?.string == "F32" else { throw damaged("a stream is not of dtype F32", field: field) }
        guard let extents = value["shape"]?.array, extents.count <= CheckpointStream.rankLimit else {
            throw damaged("a stream has no shape of at most \(CheckpointStream.rankLimit) dimensions", field: field)
        }
        var shape: [Int] = []
        var count = 1
        for extent in extents {
            guard let extent = extent.integer, extent >= 0 else {
                throw damaged("a dimension is no natural number", field: field)
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            // Bytes of the tensor must be a number too, and no file holds more than this.
            guard !overflow, product <= 1 << 48 else { throw damaged("a shape is impossibly large", field: field) }
            shape.append(extent)
            count = product
        }
        guard let digest = value["sha256"]?.string, digest.utf8.count == 64,
            digest.utf8.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 >= 97 && $0 <= 102) })
        else { throw damaged("a stream has no SHA-256", field: field) }
        return CheckpointIndex.Stream(
            name: name, role: role, shape: shape, count: count, group: 0, start: 0, sha256: digest, copyOf: nil)
    }
}
