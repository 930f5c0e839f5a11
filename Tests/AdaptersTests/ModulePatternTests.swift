import Adapters
import System
import Testing

struct ModulePatternTests {
    /// The same subjects match as with Python's `re.fullmatch`.
    @Test func matchesAsPython() throws {
        let document = try PEFTFixture.json()
        let subjects = try #require(document["subjects"]).strings
        let expressions = try #require(document["expressions"]?.array)
        #expect(expressions.count > 30)
        for expression in expressions {
            let text = try #require(expression["pattern"]?.string)
            let pattern = try ModulePattern(text)
            let matches = try subjects.filter { try pattern.matches($0) }
            #expect(matches == expression["matches"]?.strings, "\(text)")
        }
    }

    @Test(arguments: [
        ("a)", "the pattern \"a)\" has an unmatched ')' at character 2."),
        ("(a", "the pattern \"(a\" has a group without end at character 1."),
        ("[a", "the pattern \"[a\" has a class without end at character 1."),
        ("*a", "the pattern \"*a\" has nothing to repeat at character 1."),
        ("a**", "the pattern \"a**\" has a repetition of a repetition at character 4."),
        ("^*", "the pattern \"^*\" has a repetition of something without width at character 3."),
        ("a\\", "the pattern \"a\\\" has a backslash at its end at character 3."),
        ("[z-a]", "the pattern \"[z-a]\" has a range whose ends are in the wrong order at character 5."),
        ("a{3,2}", "the pattern \"a{3,2}\" has a repetition whose minimum exceeds its maximum at character 7."),
        ("(?P<a b>c)", "the pattern \"(?P<a b>c)\" has a group name that is no name at character 6."),
    ])
    func patternsThatAreMalformed(pattern: String, message: String) {
        let failure = #expect(throws: Failure.self) { try ModulePattern(pattern) }
        #expect(failure?.description == message)
        #expect(failure?.kind == .badData)
    }

    @Test(arguments: [
        ("(a)\\1", "a backreference"), ("(?<=a)b", "a lookbehind"), ("(?i)a", "an extension or flag of a group"),
        ("a++", "a possessive repetition"), ("\\p{L}", "the escape \\p"), ("a{1,2000}", "more than 1000 repetitions"),
        (String(repeating: "(", count: 40) + String(repeating: ")", count: 40), "groups nested deeper than 32"),
    ])
    func patternsThatAreNotSupported(pattern: String, what: String) {
        let failure = #expect(throws: Failure.self) { try ModulePattern(pattern) }
        #expect(failure?.what.contains("has \(what) at character") == true, "\(failure?.what ?? "accepted")")
        #expect(failure?.kind == .unsupported)
    }

    /// Exponential in a backtracking matcher without a bound: 2^40 ways to fail.
    @Test func hostilePatternsEnd() throws {
        let pattern = try ModulePattern("(a+)+b")
        let failure = #expect(throws: Failure.self) { try pattern.matches(String(repeating: "a", count: 40)) }
        #expect(failure?.what.contains("takes more than 200000 steps on the module") == true)
        #expect(try pattern.matches("aaab"))
        let long = try ModulePattern(".*x")
        #expect(throws: Failure.self) { try long.matches(String(repeating: "a", count: 100_000)) }
        #expect(throws: Failure.self) { try ModulePattern(String(repeating: "a", count: 5_000)) }
    }
}
