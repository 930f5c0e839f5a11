import ChatTemplates
import System
import TestSupport
import Testing

/// Templates that nobody vouches for: each ends in a message, none hangs or crashes.
struct HostileTemplateTests {
    @Test(arguments: [
        (
            "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
            "the template takes more than 1000000 steps"
        ),
        ("{{ 'a' * 10 ** 9 }}", "the template makes a text of more than 4194304 characters"),
        ("{{ 10 ** 9 * 'a' }}", "the template makes a text of more than 4194304 characters"),
        ("{{ 'a' * 9223372036854775807 }}", "the template makes a text of more than 4194304 characters"),
        ("{{ ['a'] * 10 ** 9 }}", "the template takes more than 1000000 steps"),
        ("{{ range(10001) | list }}", "range() gives more than 10000 numbers"),
        ("{{ range(0, 10 ** 18) }}", "range() gives more than 10000 numbers"),
        ("{{ range(-9223372036854775807, 9223372036854775807) }}", "range() gives more than 10000 numbers"),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "the macro m is called more than 64 calls deep"
        ),
        (
            "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
            "is called more than 64 calls deep"
        ),
        (
            "{% for n in [1] recursive %}{{ loop([1]) }}{% endfor %}",
            "the macro loop is called more than 64 calls deep"
        ),
        ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ ''['__class__'] }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ '' | attr('__class__') }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ messages.__init__ }}", "access to attribute '__init__' of 'list' object is unsafe"),
        ("{{ messages[0].__class__ }}", "access to attribute '__class__' of 'dict' object is unsafe"),
        ("{{ [messages] | map(attribute='__class__') | list }}", "access to attribute '__class__'"),
        ("{{ cycler.__init__.__globals__ }}", "access to attribute '__init__' of 'function' object is unsafe"),
        ("{{ lipsum.__globals__ }}", "'lipsum' is undefined"),
        ("{{ '{0.__class__}'.format(1) }}", "access to attribute '__class__' of 'int' object is unsafe"),
        ("{{ namespace(__class__=1) }}", "a namespace cannot hold a name that begins with an underscore"),
        ("{{ messages.append(1) }}", "access to attribute 'append' of 'list' object is unsafe"),
        ("{% import 'os' as os %}", "the tag 'import' reads other templates"),
        ("{% extends 'x' %}", "the tag 'extends' reads other templates"),
        ("{% set ns = namespace() %}{% set ns.a = ns %}", "a Namespace cannot be stored in a list or object"),
        (
            "{% set ns = namespace(l=[]) %}{% for i in range(200) %}{% set ns.l = [ns.l] %}{% endfor %}",
            "lists and objects are nested deeper than 96"
        ),
        (
            "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
            "the template takes more than 1000000 steps"
        ),
        (
            "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}",
            "the template takes more than 1000000 steps"
        ),
        (
            "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l == ns.l + [] }}",
            "the template takes more than 1000000 steps"
        ),
        (
            "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
            "the template makes a text of more than 4194304 characters"
        ),
        (
            "{% for i in range(2000) %}{{ 'aaaaaaaaaa' * 1000 }}{% endfor %}",
            "the template makes a text of more than 4194304 characters"
        ),
        ("{{ ('a' * 4000000).replace('a', 'bb') }}", "the template makes a text of more than 4194304 characters"),
        ("{{ ('a' * 4000000).replace('', 'bb') }}", "the template makes a text of more than 4194304 characters"),
        ("{{ (['a'] * 9000) | join('b' * 1000) }}", "the template makes a text of more than 4194304 characters"),
        ("{{ '%100000d' | format(1) }}", "a format asks for more than 10000 characters"),
        ("{{ 9223372036854775807 + 1 }}", "the integer is beyond 64 bits"),
        ("{{ -9223372036854775807 - 2 }}", "the integer is beyond 64 bits"),
        ("{{ 9223372036854775807 * 2 }}", "the integer is beyond 64 bits"),
        ("{{ 2 ** 64 }}", "the integer is beyond 64 bits"),
        ("{{ (-9223372036854775807 - 1) // -1 }}", "the integer is beyond 64 bits"),
        ("{{ 1 % 0 }}", "integer division or modulo by zero"),
        ("{{ 'a'[::0] }}", "slice step cannot be zero"),
        ("{{ 1e999 }}", "outside the range of a double"),
        ("{{ 'x'.encode() }}", "'str object' has no attribute 'encode'"),
        ("{{ '\\ud800' }}", "the escape needs 4 hexadecimal digits of a character"),
        ("{{ '\\U00110000' }}", "the escape needs 8 hexadecimal digits of a character"),
        ("{{ strftime_now('%Q') }}", "strftime_now() with '%Q'"),
        ("{% for i in range(3) %}", "the template ends where {% endfor %} is expected"),
        ("{{ {'a' 1} }}", "a number was found where ':' is expected"),
    ])
    func everyOneEndsInItsMessage(template: String, message: String) {
        let text = refusal(of: template)
        #expect(text.hasPrefix("t.jinja:"), "\(text)")
        #expect(text.contains(message), "\(template): \(text)")
    }

    /// Constructs inside each other, in source and while running.
    @Test func deepNestingIsRefused() {
        let count = 10_000
        func nested(_ open: String, _ inner: String, _ close: String) -> String {
            String(repeating: open, count: count) + inner + String(repeating: close, count: count)
        }
        let message = "the template nests constructs deeper than 100"
        for source in [
            nested("{% if true %}", "x", "{% endif %}"), nested("{% for a in [1] %}", "x", "{% endfor %}"),
            "{{ " + nested("(", "1", ")") + " }}", "{{ " + nested("[", "1", "]") + " }}",
            "{{ " + nested("{1:", "1", "}") + " }}", "{{ " + nested("not ", "1", "") + " }}",
            "{{ " + nested("-", "1", "") + " }}", "{{ " + nested("a(", "1", ")") + " }}",
            "{{ " + nested("a[", "1", "]") + " }}",
            "{% set " + nested("(", "a", ")") + " = 1 %}",
            "{{ x|" + nested("f(", "1", ")").replacing("f(", with: "list(") + " }}",
        ] {
            let text = refusal(of: source)
            #expect(text.contains(message), "\(source.prefix(30)): \(text.prefix(200))")
        }
        let chain = "the expression has more than 200 operators in a chain"
        for source in [
            "{{ 1" + String(repeating: " + 1", count: count) + " }}",
            "{{ a" + String(repeating: ".b", count: count) + " }}",
            "{{ a" + String(repeating: "|list", count: count) + " }}",
            "{{ a" + String(repeating: "[0]", count: count) + " }}",
            "{{ a" + String(repeating: " or a", count: count) + " }}",
            "{{ 1" + String(repeating: " if 1", count: count) + " }}",
            "{{ a" + String(repeating: "()", count: count) + " }}",
        ] {
            #expect(refusal(of: source).contains(chain), "\(source.prefix(30))")
        }
        let elif = "{% if false %}" + String(repeating: "{% elif false %}", count: count) + "{% else %}x{% endif %}"
        #expect(refusal(of: elif) == "rendered x")
        #expect(refusal(of: "{{ 'a'" + String(repeating: " ~ 'a'", count: count) + " }}").hasPrefix("rendered aaa"))
    }

    /// The deepest nesting that is accepted runs, on the stack of a test's thread.
    @Test func acceptedDepthRuns() throws {
        let ifs = String(repeating: "{% if true %}", count: 98) + "x" + String(repeating: "{% endif %}", count: 98)
        #expect(try render(ifs) == "x")
        let macro = """
            {% macro m(n) %}{% if n %}{% for i in [1] %}{% if true %}{{ (((m(n - 1)))) }}{% endif %}{% endfor %}{% endif %}{% endmacro %}
            {{- m(50) }}x
            """
        #expect(try render(macro) == "x")
        let deep =
            "{% macro m(n) %}" + String(repeating: "{% if true %}", count: 90) + "{{ m(n) }}"
            + String(repeating: "{% endif %}", count: 90) + "{% endmacro %}{{ m(1) }}"
        #expect(refusal(of: deep).contains("the template is nested deeper than 600 constructs as it runs"))
    }

    /// Random damage to a template ends in text or in a message.
    @Test func damagedTemplatesNeverCrash() {
        let source = """
            {%- set ns = namespace(n=0) -%}{% for m in messages if m.role != 'x' recursive %}{{- '<|' ~ m['role'] + '|>\\n' -}}
            {% if m.content is string and not loop.last %}{{ m.content | trim | replace('a', "b")[1:-1] }}{% elif x %}{% else %}
            {% set ns.n = ns.n + 1 %}{% endif %}{% endfor %}{% macro f(a, b=[1, {'k': (2,)}]) %}{{ a ~ b | tojson(indent=2) }}{% endmacro %}
            {{ f(1) }}{% generation %}{{ 'y' if ns.n > 1 else none }}{% endgeneration %}{# c #}{% raw %}{{{% endraw %}
            """
        let scalars = Array(source.unicodeScalars)
        let pieces = [
            "{%", "%}", "{{", "}}", "'", "(", ")", "[", "]", "|", "-", "\\", "**", "if", "for", " ", "\n", "é", "0",
        ]
        let seed: UInt64 = 7
        var state = seed
        func next(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for round in 0..<3_000 {
            var copy = scalars
            for _ in 0...next(3) {
                let place = next(copy.count)
                switch next(3) {
                case 0: copy.remove(at: place)
                case 1: copy.insert(contentsOf: Array(pieces[next(pieces.count)].unicodeScalars), at: place)
                default: copy.removeSubrange(place..<min(copy.count, place + next(12)))
                }
                if copy.isEmpty { copy = scalars }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: copy)
            let result = refusal(of: String(text))
            #expect(
                result.hasPrefix("rendered ") || result.hasPrefix("t.jinja"), "seed \(seed), round \(round): \(result)")
        }
    }
}
