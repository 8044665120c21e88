import Platform

@testable import FastCGI

extension Outcome {
    /// What a parked request goes on with, waited for as the event loop would; the outcome itself where nothing is parked.
    func waitedFor() -> Outcome {
        guard case .parked(let request) = self else { return self }
        let (timers, arrived) = (TimerQueue(), Monitor<ResponseHandle.Delivery?>(nil))
        let handle = ResponseHandle(timers: timers, ended: request.end) { delivery in arrived.update { $0 = delivery } }
        request.parked(handle)
        let early = handle.begin { _ in timers.schedule(at: .never) {} }
        switch early ?? arrived.wait(within: .seconds(30), { $0 }) {
        case .response(let response)?: return .now(request.finished(response))
        case .outcome(let proceed)?: return request.goingOn(proceed())
        case nil: return .now(Response(status: 0))
        }
    }
}
