import ArgumentParser

@main struct SwingmusicFCGI: ParsableCommand {
    func run() throws {}
}
