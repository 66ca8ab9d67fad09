"""Bank transfers and the like: staff record them at /invoices/{id}/payments."""

from billing.gateways.base import NotificationRefused, PaymentGateway


class ManualGateway(PaymentGateway):
    def payment_url(self, invoice):
        return None

    def receipts(self, headers, body):
        raise NotificationRefused("Nobody notifies of what people record.")
