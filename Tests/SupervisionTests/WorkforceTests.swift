import Platform
import Testing

@testable import Supervision

/// A workforce with a clock that the test turns: seconds since it was made.
struct Shop {
    var workforce: Workforce
    var second: Double = 0
    private let origin = MonotonicTime(nanoseconds: 1_000_000_000_000)

    init(count: Int) { workforce = Workforce(count: count, now: origin) }

    var now: MonotonicTime { origin + .nanoseconds(Int64(second * 1e9)) }
    /// Seconds since it was made; nil when nothing is due.
    var deadline: Double? { workforce.deadline.map { ($0 - origin).fractionalSeconds } }

    mutating func begin() -> [WorkforceAction] { workforce.advance(now: now) }

    mutating func at(_ second: Double, _ event: WorkforceEvent? = nil) -> [WorkforceAction] {
        self.second = second
        guard let event else { return workforce.advance(now: now) }
        return workforce.handle(event, now: now)
    }

    /// Opened with every worker serving at second 1: numbers 1...count.
    static func open(count: Int) -> Shop {
        var shop = Shop(count: count)
        _ = shop.begin()
        for number in 1...count { _ = shop.at(1, .ready(worker: number)) }
        return shop
    }
}

@Suite("A workforce opens")
struct OpeningTests {
    @Test("with one worker alone, and with the others when it serves")
    func scout() {
        var shop = Shop(count: 3)
        #expect(shop.begin() == [.start(worker: 1)])
        #expect(shop.at(1, .ready(worker: 1)) == [.start(worker: 2), .start(worker: 3)])
        #expect(shop.at(1, .ready(worker: 1)) == [])
    }

    @Test("not at all when its first worker fails, and ends with that worker's status")
    func firstFails() {
        var shop = Shop(count: 3)
        _ = shop.begin()
        #expect(
            shop.at(0.1, .ended(worker: 1, .status(78)))
                == [.note(.firstWorkerFailed(worker: 1)), .closeAddress, .finish(status: 78)])
        #expect(shop.deadline == nil)
    }

    @Test(
        "and goes on with those that serve when another of the first generation cannot, however long",
        arguments: [WorkerExit.signal(11), .status(1), .status(78)])
    func secondFails(exit: WorkerExit) {
        var shop = Shop(count: 2)
        _ = shop.begin()
        _ = shop.at(1, .ready(worker: 1))
        #expect(shop.at(40, .ended(worker: 2, exit)) == [.note(.startsAgain(slot: 1, after: .zero)), .start(worker: 3)])
        #expect(shop.at(41, .ended(worker: 3, exit)) == [.note(.startsAgain(slot: 1, after: .milliseconds(250)))])
        #expect(shop.at(41.25) == [.start(worker: 4)])
        #expect(shop.at(42, .ready(worker: 4)) == [])
    }

    @Test("though its first worker fails, when what kept it passes within half a minute; and not later")
    func firstFailsForAWhile() {
        var shop = Shop(count: 2)
        _ = shop.begin()
        #expect(shop.at(0.1, .ended(worker: 1, .status(1))) == [.note(.startsAgain(slot: 0, after: .milliseconds(250)))])
        #expect(shop.deadline != nil)
        #expect(shop.at(0.4) == [.start(worker: 2)])
        #expect(shop.at(1, .ready(worker: 2)) == [.start(worker: 3)])
        var other = Shop(count: 2)
        _ = other.begin()
        #expect(
            other.at(31, .ended(worker: 1, .status(1)))
                == [.note(.firstWorkerFailed(worker: 1)), .closeAddress, .finish(status: 1)])
    }

    @Test("never with status 0 when it failed", arguments: [WorkerExit.status(0), .unknown, .notStarted(2)])
    func failureIsNotSuccess(exit: WorkerExit) {
        #expect(exit.serveStatus != 0)
    }

    @Test("no later than its patience allows: a first worker that never serves is killed")
    func neverReady() {
        var shop = Shop(count: 1)
        _ = shop.begin()
        #expect(shop.deadline == 120)
        #expect(shop.at(119.9) == [])
        #expect(shop.at(120) == [.note(.outOfTime(worker: 1)), .send(.die, worker: 1)])
        #expect(shop.deadline == nil)
    }
}

@Suite("A worker that dies")
struct DeathTests {
    @Test("after a good life is replaced at once")
    func old() {
        var shop = Shop.open(count: 2)
        #expect(
            shop.at(100, .ended(worker: 2, .signal(9)))
                == [.note(.startsAgain(slot: 1, after: .zero)), .start(worker: 3)])
    }

    @Test("young is replaced after a pause that doubles, up to a minute")
    func young() {
        var shop = Shop.open(count: 1)
        var pauses: [Double] = []
        var worker = 1
        for _ in 1...11 {
            _ = shop.at(shop.second + 1, .ended(worker: worker, .signal(11)))
            let due = shop.deadline ?? .nan
            pauses.append(due - shop.second)
            #expect(shop.at(due - 0.001) == [])
            worker += 1
            #expect(shop.at(due) == [.start(worker: worker)])
        }
        let wanted = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
        #expect(zip(pauses, wanted).allSatisfy { abs($0 - $1) < 0.001 }, "\(pauses)")
    }

    @Test("young after a good life is replaced soon again")
    func forgiven() {
        let (young, old) = (Duration.seconds(1), Duration.seconds(40))
        #expect(RestartPause.length(after: []) == .zero)
        #expect(RestartPause.length(after: [young, young, young, young]) == .seconds(2))
        #expect(RestartPause.length(after: [young, young, young, old]) == .zero)
        #expect(RestartPause.length(after: [young, young, old, young]) == .milliseconds(250))
    }

    @Test("before it serves is tried again when its place has served before")
    func diesBeforeServing() {
        var shop = Shop.open(count: 1)
        _ = shop.at(100, .ended(worker: 1, .signal(9)))
        #expect(
            shop.at(100.1, .ended(worker: 2, .status(1)))
                == [.note(.startsAgain(slot: 0, after: .milliseconds(250)))])
        #expect(shop.at(100.35) == [.start(worker: 3)])
    }

    @Test("in one place does not make another place pause")
    func placesAreApart() {
        var shop = Shop.open(count: 2)
        _ = shop.at(2, .ended(worker: 1, .signal(9)))
        #expect(shop.at(40, .ended(worker: 2, .signal(9))).last == .start(worker: 4))
    }
}

@Suite("Replacing the workers")
struct ReplacementTests {
    @Test("goes one by one, and the old one leaves when the new one serves")
    func oneByOne() {
        var shop = Shop.open(count: 2)
        #expect(shop.at(50, .replacementAsked) == [.start(worker: 3)])
        #expect(shop.at(51, .ready(worker: 3)) == [.send(.drain, worker: 1), .start(worker: 4)])
        #expect(shop.at(52, .ready(worker: 4)) == [.send(.drain, worker: 2), .note(.replacementDone)])
        #expect(shop.at(60, .ended(worker: 1, .status(0))) == [])
        #expect(shop.at(61, .ended(worker: 2, .status(0))) == [])
        #expect(shop.deadline == nil)
    }

    @Test("ends when the new one cannot serve: the others stay as they are")
    func brokenProgram() {
        var shop = Shop.open(count: 2)
        _ = shop.at(50, .replacementAsked)
        #expect(shop.at(51, .ended(worker: 3, .status(78))) == [.note(.replacementFailed(slot: 0))])
        #expect(shop.deadline == nil)
        #expect(shop.at(90, .replacementAsked) == [.start(worker: 4)])
    }

    @Test("waits for what may pass and keeps a new one from serving, and meanwhile the old ones serve")
    func heldFile() {
        var shop = Shop.open(count: 2)
        #expect(shop.at(50, .replacementAsked) == [.start(worker: 3)])
        let again = WorkforceAction.note(.successorStartsAgain(slot: 0, after: .milliseconds(250)))
        #expect(shop.at(60, .ended(worker: 3, .status(1))) == [again])
        #expect(shop.deadline == 60.25)
        #expect(shop.at(60.25) == [.start(worker: 4)])
        #expect(shop.at(61, .ready(worker: 4)) == [.send(.drain, worker: 1), .start(worker: 5)])
        // For the next one the half minute begins anew.
        #expect(
            shop.at(85, .ended(worker: 5, .status(1))) == [.note(.successorStartsAgain(slot: 1, after: .milliseconds(250)))])
        #expect(shop.at(85.25) == [.start(worker: 6)])
        #expect(shop.at(86, .ready(worker: 6)) == [.send(.drain, worker: 2), .note(.replacementDone)])
    }

    @Test("is given up when that does not pass within half a minute: the others stay as they are")
    func heldForLong() {
        var shop = Shop.open(count: 2)
        _ = shop.at(50, .replacementAsked)
        _ = shop.at(60, .ended(worker: 3, .status(1)))
        _ = shop.at(60.25)
        #expect(shop.at(80.5, .ended(worker: 4, .status(1))) == [.note(.replacementFailed(slot: 0))])
        #expect(shop.deadline == nil)
        #expect(shop.at(90, .replacementAsked) == [.start(worker: 5)])
    }

    @Test("that waits to try again leaves an old one's place to its next worker")
    func oldDiesWhileWaiting() {
        var shop = Shop.open(count: 1)
        _ = shop.at(50, .replacementAsked)
        _ = shop.at(60, .ended(worker: 2, .status(1)))
        #expect(shop.at(60.1, .ended(worker: 1, .signal(9))) == [.note(.startsAgain(slot: 0, after: .zero)), .start(worker: 3)])
        #expect(shop.at(60.25) == [.note(.replacementDone)])
        #expect(shop.at(61, .ready(worker: 3)) == [])
    }

    @Test("asked for again while the new one fails is tried again")
    func repairedProgram() {
        var shop = Shop.open(count: 1)
        #expect(shop.at(50, .replacementAsked) == [.start(worker: 2)])
        #expect(shop.at(51, .replacementAsked) == [])
        #expect(shop.at(52, .ended(worker: 2, .status(78))) == [.note(.replacementFailed(slot: 0)), .start(worker: 3)])
        #expect(shop.at(53, .ready(worker: 3)) == [.send(.drain, worker: 1), .note(.replacementDone)])
    }

    @Test("kills a leaving worker that hangs")
    func hangsInDrain() {
        var shop = Shop.open(count: 1)
        _ = shop.at(50, .replacementAsked)
        _ = shop.at(51, .ready(worker: 2))
        #expect(shop.deadline == 141)
        #expect(shop.at(141) == [.note(.outOfTime(worker: 1)), .send(.die, worker: 1)])
    }

    @Test("makes the new one the heir when the old one dies before it could leave")
    func oldDiesFirst() {
        var shop = Shop.open(count: 1)
        _ = shop.at(50, .replacementAsked)
        #expect(shop.at(50.5, .ended(worker: 1, .signal(9))) == [.note(.replacementDone)])
        #expect(shop.at(51, .ready(worker: 2)) == [])
        #expect(shop.deadline == nil)
    }

    @Test("asked for again on the way replaces those that were new a moment ago, too")
    func askedTwice() {
        var shop = Shop.open(count: 2)
        #expect(shop.at(50, .replacementAsked) == [.start(worker: 3)])
        #expect(shop.at(50.5, .replacementAsked) == [])
        #expect(shop.at(51, .ready(worker: 3)) == [.send(.drain, worker: 1), .start(worker: 4)])
        #expect(shop.at(52, .ready(worker: 4)) == [.send(.drain, worker: 3), .start(worker: 5)])
        #expect(shop.at(53, .ready(worker: 5)) == [.send(.drain, worker: 2), .note(.replacementDone)])
    }

    @Test("tries a place that pauses after young deaths again at once")
    func endsPause() {
        var shop = Shop.open(count: 1)
        _ = shop.at(2, .ended(worker: 1, .signal(11)))
        #expect(shop.at(2.1, .replacementAsked).contains(.start(worker: 2)))
    }

    @Test("asked for while the first worker starts waits for it")
    func whileOpening() {
        var shop = Shop(count: 2)
        _ = shop.begin()
        #expect(shop.at(0.5, .replacementAsked) == [])
        #expect(shop.at(1, .ready(worker: 1)) == [.start(worker: 2), .start(worker: 3)])
        #expect(shop.at(2, .ready(worker: 3)) == [.send(.drain, worker: 1), .note(.replacementDone)])
    }
}

@Suite("Stopping")
struct StoppingTests {
    @Test("closes the address first, tells every worker, and ends with the last of them")
    func inOrder() {
        var shop = Shop.open(count: 2)
        #expect(shop.at(50, .stopAsked) == [.closeAddress, .send(.stop, worker: 1), .send(.stop, worker: 2)])
        #expect(shop.at(50.1, .stopAsked) == [])
        #expect(shop.at(51, .ended(worker: 2, .status(0))) == [])
        #expect(shop.at(52, .ended(worker: 1, .signal(15))) == [.finish(status: 0)])
        #expect(shop.at(53) == [])
    }

    @Test("kills those that hang within ten seconds, and does not wait for ever for the kernel")
    func hang() {
        var shop = Shop.open(count: 1)
        _ = shop.at(50, .stopAsked)
        #expect(shop.at(59.5) == [.note(.outOfTime(worker: 1)), .send(.die, worker: 1)])
        #expect((shop.deadline ?? 99) < 60)
        #expect(shop.at(59.9) == [.finish(status: 0)])
    }

    @Test("reaches leaving workers and successors as well")
    func everybody() {
        var shop = Shop.open(count: 2)
        _ = shop.at(50, .replacementAsked)
        _ = shop.at(51, .ready(worker: 3))
        #expect(
            shop.at(52, .stopAsked)
                == [.closeAddress] + (1...4).map { .send(.stop, worker: $0) })
    }

    @Test("starts nobody again, and replaces nobody")
    func noneNew() {
        var shop = Shop.open(count: 2)
        _ = shop.at(50, .stopAsked)
        #expect(shop.at(50.2, .replacementAsked) == [])
        #expect(shop.at(50.5, .ended(worker: 1, .signal(9))) == [])
        #expect(shop.at(50.6, .ready(worker: 2)) == [])
    }

    @Test("while the first worker starts ends with status 0")
    func whileOpening() {
        var shop = Shop(count: 4)
        _ = shop.begin()
        #expect(shop.at(0.1, .stopAsked) == [.closeAddress, .send(.stop, worker: 1)])
        #expect(shop.at(0.2, .ended(worker: 1, .signal(15))) == [.finish(status: 0)])
    }
}
