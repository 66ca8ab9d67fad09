"""Mail domains that anybody can have an address at: who is there proves a mailbox, and no company.

The lead of such an address may sign up (unless WORK_EMAIL_REQUIRED), but its domain is nobody's to claim: a tenant that
named gmail.com as its own would be taken for the company of all who have an address there.
"""

from disposable_email_domains import blocklist
from django.conf import settings

PROVIDERS = frozenset(
    """
    126.com 139.com 163.com aim.com aliyun.com aol.com arcor.de att.net bellsouth.net bigpond.com bk.ru bluewin.ch
    bol.com.br bt.com btinternet.com charter.net comcast.net cox.net daum.net duck.com earthlink.net email.cz
    eircom.net fastmail.com fastmail.fm foxmail.com free.fr freemail.hu freenet.de gmail.com gmx.at gmx.ch gmx.com
    gmx.de gmx.fr gmx.net googlemail.com hanmail.net hey.com home.nl hotmail.be hotmail.ca hotmail.co.uk hotmail.com
    hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl hushmail.com icloud.com inbox.lv inbox.ru interia.pl
    juno.com kpnmail.nl laposte.net libero.it list.ru live.ca live.co.uk live.com live.de live.fr live.it live.nl
    lycos.com mac.com mail.com mail.de mail.ru mailbox.org me.com msn.com naver.com neuf.fr o2.pl onet.pl op.pl
    optonline.net orange.fr outlook.at outlook.com outlook.de outlook.es outlook.fr outlook.it pm.me poczta.onet.pl
    posteo.de proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rocketmail.com rogers.com
    sapo.pt sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com skynet.be sohu.com sympatico.ca t-online.de
    talktalk.net telenet.be telus.net terra.com.br tiscali.it tuta.com tuta.io tutanota.com tutanota.de ukr.net
    uol.com.br verizon.net virgilio.it virginmedia.com vodafone.de wanadoo.fr web.de wp.pl xtra.co.nz ya.ru yahoo.ca
    yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.de yahoo.es yahoo.fr
    yahoo.in yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com
    """.split()  # noqa: SIM905  (a hundred quoted names are harder to read)
)
"""The large ones. The throw-away ones are those of the package disposable-email-domains."""


def is_public(domain: str) -> bool:
    """Whether anybody can have an address at `domain`, in ASCII. PUBLIC_MAIL_DOMAINS adds to what is known."""
    return domain in PROVIDERS or domain in blocklist or domain in settings.PUBLIC_MAIL_DOMAINS
