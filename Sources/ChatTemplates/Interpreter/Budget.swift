/// What a rendering may still use up; see `TemplateLimits`.
final class Budget {
    let limits: TemplateLimits
    private var stepsLeft: Int
    private(set) var evaluationDepth = 0
    private(set) var callDepth = 0

    init(_ limits: TemplateLimits) {
        self.limits = limits
        stepsLeft = limits.stepCount
    }

    func spend(_ steps: Int) throws(TemplateError) {
        stepsLeft -= steps
        guard stepsLeft >= 0 else {
            throw TemplateError(
                "the template takes more than \(limits.stepCount) steps",
                remedy: "Use a template whose loops run over the conversation alone")
        }
    }

    /// Text that one construct reads or makes.
    func spend(scalars: Int) throws(TemplateError) { try spend(scalars / 512) }

    /// Elements of lists and objects that one construct reads or makes.
    func spend(elements: Int) throws(TemplateError) { try spend(elements / 2) }

    /// A text that was made, if it is not too long.
    func checked(_ text: TaggedText) throws(TemplateError) -> TaggedText {
        try checkLength(text.count)
        try spend(scalars: text.count)
        return text
    }

    func checkLength(_ count: Int) throws(TemplateError) {
        guard count <= limits.textLength else {
            throw TemplateError("the template makes a text of more than \(limits.textLength) characters")
        }
    }

    /// `text * times`.
    func repeated(_ text: TaggedText, _ times: Int) throws(TemplateError) -> TaggedText {
        guard times > 0, !text.isEmpty else { return TaggedText() }
        let (count, overflow) = text.count.multipliedReportingOverflow(by: times)
        try checkLength(overflow ? .max : count)
        try spend(scalars: count)
        return TaggedText(units: Array((0..<times).lazy.map { _ in text.units }.joined()))
    }

    /// Goes one construct deeper; `leave` goes back.
    func enter() throws(TemplateError) {
        try spend(1)
        evaluationDepth += 1
        guard evaluationDepth <= limits.evaluationDepth else {
            throw TemplateError("the template is nested deeper than \(limits.evaluationDepth) constructs as it runs")
        }
    }

    func leave() { evaluationDepth -= 1 }

    func enterCall(_ name: String) throws(TemplateError) {
        callDepth += 1
        guard callDepth <= limits.callDepth else {
            throw TemplateError("the macro \(name) is called more than \(limits.callDepth) calls deep")
        }
    }

    func leaveCall() { callDepth -= 1 }
}
