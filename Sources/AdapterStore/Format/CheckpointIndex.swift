internal import System

/// The table of a checkpoint file: the caller's header, and where every tensor lies.
///
///     {"header": {…},
///      "groups": [{"role": "p", "transform": "rotated-planes", "planes": [[offset, length, raw length, "xxh64"], …]}],
///      "streams": [{"name": …, "role": "p", "dtype": "F32", "shape": […], "group": 0, "start": 0, "sha256": …},
///                  {"name": …, "role": "m", "dtype": "F32", "shape": […], "same_as": 0, "sha256": …}]}
///
/// Planes follow each other without gaps from the head of the file to the index, those of a chunk together, the lowest
/// first; the streams of a group fill it in order. So every byte of the file has exactly one meaning.
struct CheckpointIndex: Sendable {
    struct Plane: Sendable {
        var offset: Int
        var byteCount: Int
        var rawByteCount: Int
        /// XXH64 of the bytes in the file.
        var hash: UInt64

        var isRaw: Bool { byteCount == rawByteCount }
    }

    struct Group: Sendable {
        var role: StreamRole
        var transform: PlaneTransform
        var planes: [Plane]
        /// Where each chunk begins, in elements, and behind the last one the number of elements.
        var chunkStarts: [Int]

        var count: Int { chunkStarts.last ?? 0 }
        var chunkCount: Int { chunkStarts.count - 1 }
        var codedByteCount: Int { planes.reduce(0) { $0 + $1.byteCount } }
    }

    struct Stream: Sendable {
        var name: String
        var role: StreamRole
        var shape: [Int]
        var count: Int
        var group: Int
        /// First element in the group.
        var start: Int
        var sha256: String
        var copyOf: Int?
    }

    var header: JSONObject
    var groups: [Group]
    var streams: [Stream]

    /// Lower-case hexadecimal of 64 bits.
    static func hexadecimal(_ hash: UInt64) -> String {
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    var json: JSONValue {
        let groups = groups.map { group in
            let planes = group.planes.map { plane in
                JSONValue.array([
                    .integer(plane.offset), .integer(plane.byteCount), .integer(plane.rawByteCount),
                    .string(Self.hexadecimal(plane.hash)),
                ])
            }
            return JSONValue.object(
                JSONObject([
                    ("role", .string(group.role.rawValue)), ("transform", .string(group.transform.rawValue)),
                    ("planes", .array(planes)),
                ]))
        }
        let streams = streams.map { stream in
            var members: [(String, JSONValue)] = [
                ("name", .string(stream.name)), ("role", .string(stream.role.rawValue)), ("dtype", .string("F32")),
                ("shape", .array(stream.shape.map(JSONValue.integer))),
            ]
            if let copyOf = stream.copyOf {
                members.append(("same_as", .integer(copyOf)))
            } else {
                members += [("group", .integer(stream.group)), ("start", .integer(stream.start))]
            }
            return JSONValue.object(JSONObject(members + [("sha256", .string(stream.sha256))]))
        }
        return .object(
            JSONObject([("header", .object(header)), ("groups", .array(groups)), ("streams", .array(streams))]))
    }
}
