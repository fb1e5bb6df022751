using Jobs.RabbitMq;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Cli;

/// <summary>Whether tickets can be sent just now.</summary>
internal static class Broker
{
    /// <summary>When they cannot, that is no fault: the row is the truth, and it is written. One line instead of the publisher's many tries.</summary>
    public static async Task<bool> AnswersAsync(BrokerConnection connection, string remark, CancellationToken ct)
    {
        try
        {
            await connection.GetAsync(ct);
            return true;
        }
        catch (BrokerUnreachableException e)
        {
            Output.Remark($"warning: RabbitMQ cannot be reached ({Complaints.Causes(e)}). {remark}");
            return false;
        }
    }
}
