import ArgumentParser

@main
struct QLoRA: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "qlora")
}
